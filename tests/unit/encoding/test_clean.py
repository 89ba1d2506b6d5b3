from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.encoding.clean import clean, cut


def reads_all(emoji: str) -> bool:
    return True


def reads_none(emoji: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("<p>Soft <b>cotton</b><br/>shirt</p>", "Soft cotton shirt"),
        ("a<script type='x'>alert('<b>')</script>b", "a b"),
        ("a<style>p { color: red }</style>b", "a b"),
        ("before <!-- not this --> after", "before after"),
        ("price < 5 and size > 3, love <3", "price < 5 and size > 3, love <3"),
        ("Tom &amp; Jerry&nbsp;&#39;s", "Tom & Jerry 's"),
        ("I don&amp;#39;t", "I don't"),
        ("&lt;p&gt;Soft &lt;b&gt;cotton&lt;/b&gt;&lt;/p&gt;", "Soft cotton"),
        ("&amp;lt;p&amp;gt;Soft, 3 &amp;lt; 5", "Soft, 3 < 5"),
        ("a\x00b\x07\tc\r\n\n d", "a b c d"),
        ("zero\u200bwidth and so\u00adft and \ufeffmark", "zerowidth and soft and mark"),
        ("ｆｕｌｌ　ｗｉｄｔｈ１２３！", "full width123!"),
        ("sooooooo goooood!!!!!!!", "sooo goood!!!"),
        ("10000000 units", "10000000 units"),
        ("哈哈哈哈哈哈好", "哈哈哈好"),
        ("see https://www.shop.example/a?b=c#d now", "see shop.example now"),
        ("HTTPS://Shop.Example/a and WWW.shop.example/b", "Shop.Example and shop.example"),
        ("看 www.taobao.com/x吧，很好", "看 taobao.com 吧,很好"),
        ("看 https://例子.测试/路径?a=好#b 吧", "看 例子.测试 吧"),
        ("看https://www.例子.测试，很好", "看例子.测试 ,很好"),
        ("http://shop.例子.中国:8080/x 好", "shop.例子.中国 好"),
        ("siehe https://München.example/Straße?ä=1.", "siehe München.example"),
        ("siehe www.shop.köln.example/x und", "siehe shop.köln.example und"),
        ("смотри http://магазин.рф/платье сама", "смотри магазин.рф сама"),
        ("去 www.taobao.com很好.下次再来", "去 taobao.com 很好.下次再来"),
        ("www.naver.com에서 샀다", "naver.com 에서 샀다"),
        ("www.好看 www.taobao看看", "www.好看 taobao 看看"),
        ("a lone \ud83d surrogate", "a lone surrogate"),
        ("made in 🇨🇳!", "made in CN !"),
        ("5️⃣ stars", "5 stars"),
        ("１２３４ｘ５ｃｍ，ＯＫ～", "1234x5cm,OK~"),
        ("", ""),
        ("\u200b\u200d\x00", ""),
    ],
)
def test_keeps_the_meaning_and_drops_the_noise(raw: str, expected: str) -> None:
    assert clean(raw, 1000, reads_all) == expected


def test_an_emoji_the_encoder_cannot_read_is_written_out() -> None:
    assert clean("love it 😍", 100, reads_none).endswith("smiling face with heart-shaped eyes")
    assert clean("love it 😍", 100, reads_all) == "love it 😍"


def test_skin_tones_and_joiners_leave_the_plain_emoji() -> None:
    assert clean("👍🏽👨\u200d👩", 100, reads_all) == "👍👨👩"


def test_a_run_of_emoji_is_cut_before_it_is_written_out() -> None:
    assert clean("😍" * 1000, 500, reads_none).count("smiling face") == 3


def test_cuts_between_words_where_there_are_spaces() -> None:
    assert cut("one two three", 9) == "one two"
    assert cut("one two three", 7) == "one two"
    assert cut("没有空格的一句话", 4) == "没有空格"


@given(st.text(st.characters(), max_size=400), st.integers(1, 60))
def test_whatever_comes_in_the_result_is_short_clean_and_encodable(raw: str, limit: int) -> None:
    result = clean(raw, limit, reads_none)
    assert len(result) <= limit
    assert result == result.strip()
    assert "  " not in result
    result.encode()
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in result)


@pytest.mark.parametrize(
    "piece",
    [
        *("<a", "<!--", "<script>", "</script", "&", "a\u0301", "\u0301\u0316", "ﷺ"),
        *("http://", "www.", "www.é", "www.好.", "http://x.é/", "www.é-é.", "www.a.好/好"),
    ],
)
def test_hostile_repeats_stay_linear(piece: str) -> None:
    """Quadratic work on these would take minutes, and the suite with it."""
    assert len(clean(piece * 100_000, 100_000, reads_none)) <= 100_000
