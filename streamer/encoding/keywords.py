"""The words of a text that can carry something: segmented where a script has no spaces between
them, without those that only hold a sentence together.

For keywords alone; the encoder reads whole texts with its own tokenizer.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import regex

from streamer.errors import DependencyMissing

_WORD = regex.compile(r"\p{Han}++|[\p{L}\p{N}]++(?:['’-][\p{L}\p{N}]++)*|\p{Extended_Pictographic}")
_HAN = regex.compile(r"\p{Han}")

STOP_WORDS = frozenset(
    ["a", "an", "the", "and", "or", "but", "if", "then", "than", "so", "as", "of", "at", "by", "for", "from", "in", "into", "on", "onto", "to", "up", "with", "about", "i", "me", "my", "mine", "we", "us", "our", "you", "your", "he", "him", "his", "she", "her", "it", "its", "it's", "they", "them", "their", "this", "that", "these", "those", "who", "whom", "which", "what", "there", "here", "am", "is", "are", "was", "were", "be", "been", "being", "do", "does", "did", "have", "has", "had", "will", "would", "can", "could", "should", "may", "might", "i'm", "i've", "it'd", "also", "just", "very"]
) | frozenset(
    ["的", "了", "着", "过", "是", "在", "有", "和", "与", "及", "或", "而", "就", "都", "也", "还", "又", "再", "把", "被", "给", "对", "从", "到", "向", "以", "于", "之", "其", "这", "那", "这个", "那个", "这样", "那样", "我", "你", "他", "她", "它", "我们", "你们", "他们", "自己", "一个", "一些", "一下", "呢", "吧", "啊", "吗", "嘛", "呀", "哦", "哈", "地", "得", "所", "为", "因为", "所以", "但", "但是", "如果", "虽然", "然后", "以及", "等", "很", "非常"]
)  # fmt: skip
"""Words of negation are not among them: they carry much."""


class Word(NamedTuple):
    """A word as it is compared, and where it stands: text[start:end]."""

    word: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """Words in order. Chinese ones are found by jieba. Raises DependencyMissing.

    >>> [found.word for found in words("The colour isn't nice, 质量不好")]
    ['colour', "isn't", 'nice', '质量', '不好']
    """
    return [found for found in _all(text) if found.word not in STOP_WORDS]


def _all(text: str) -> Iterator[Word]:
    for match in _WORD.finditer(text):
        if _HAN.match(match[0]):
            for word, start, end in _segmenter().tokenize(match[0]):
                yield Word(word, match.start() + start, match.start() + end)
        else:
            yield Word(match[0].lower().replace("’", "'"), match.start(), match.end())


@cache
def _segmenter() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import jieba
    except ImportError:
        raise DependencyMissing("jieba (Chinese words)", "encoder") from None
    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()
