from __future__ import annotations

from streamer.encoding.keywords import words


def test_chinese_is_segmented_and_english_split_at_spaces() -> None:
    found = [found.word for found in words("质量不好，物流太慢。The zip broke twice!")]
    assert found == ["质量", "不好", "物流", "太慢", "zip", "broke", "twice"]


def test_what_only_holds_a_sentence_together_goes_and_negations_stay() -> None:
    assert [w.word for w in words("I do not like it, and it isn't soft")] == [
        *("not", "like", "isn't", "soft")
    ]
    assert [w.word for w in words("我的衣服没有味道")] == ["衣服", "没有", "味道"]


def test_places_are_those_in_the_text() -> None:
    text = "Great 质量, GREAT price 😍"
    for found in words(text):
        assert text[found.start : found.end].lower() == found.word
    assert [found.word for found in words(text)].count("great") == 2


def test_a_text_without_words_has_none() -> None:
    assert words("… !? 。") == []
