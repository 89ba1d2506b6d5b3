"""Catalogue names in readable words."""

from __future__ import annotations

import re
from functools import cache

from streamer.replay.sources.jargon import (
    COMPOUNDS,
    DANGLING,
    DEPARTMENTS,
    KEPT,
    PHRASES,
    SIZES,
    WORDS,
)

CUT_AT_CHARS = 30
"""The catalogue cuts longer names at this length, some a character earlier at a space."""

_TOKEN = re.compile(r"[A-Za-z]+|[0-9]+(?:\.[0-9]+)?%?|.")
_OPEN_PARENTHESIS = re.compile(r"\([^)]*$")
_WITHOUT, _WITH = re.compile(r"\bW/O\b"), re.compile(r"\bW/")
_POSSESSIVE = re.compile(r"\b(CHILDREN|WOMEN|MEN|BOY|GIRL) S\b")
_BREAKS = re.compile(r"\s*(?:/|:|\s-\s|\s-(?=\w)|(?<=\w)-\s)\s*")
_HYPHEN = re.compile(r"\b([A-Z]+)-(?=[A-Z])")
_CASE_CODE = re.compile(r"^\d{5,}\s")
_GRADE = re.compile(r"^[A-Z]{1,3}\s+(?=[\d.])")


@cache
def words(name: str) -> str:
    """A category or type, its jargon expanded, in lower case but for proper names.

    >>> words("FRZN SS PREMIUM ENTREES/DNRS/N")
    'frozen single-serve premium entrees, dinners'
    >>> words("SUNTAN PROD W/SPF LOTION/OIL")
    'suntan products with SPF lotion, oil'
    """
    name = " ".join(name.split())
    if name in PHRASES:
        return PHRASES[name]
    return _tidy("".join(_word(token) for token in _TOKEN.findall(_marked(_whole(name)))))


@cache
def department(name: str) -> str:
    """A department in words.

    >>> department("MEAT-PCKGD")
    'packaged meat'
    """
    return DEPARTMENTS.get(name) or words(name)


@cache
def size(text: str) -> str:
    """A package size with its units in words; empty where the catalogue has a case number there.

    >>> size("12  PK")
    '12 pack'
    >>> size("971770  PK")
    ''
    """
    if _CASE_CODE.match(text):
        return ""
    parts = re.findall(r"[A-Z]+|[^A-Z\s]+", _GRADE.sub("", text))
    return " ".join(SIZES.get(part, part.lower()) for part in parts).replace(" /", "/")


def sentence(text: str) -> str:
    """With a capital letter at the beginning."""
    return text[:1].upper() + text[1:]


def _whole(name: str) -> str:
    """Without what a cut has left dangling at the end."""
    was_cut = len(name) >= CUT_AT_CHARS - 1
    name = _OPEN_PARENTHESIS.sub("", name).rstrip()
    parts = re.split(r"([\s/&-]+)", name)
    while was_cut and len(parts) > 2 and parts[-1] in DANGLING:
        del parts[-2:]
    return "".join(parts).rstrip(" -/&:(")


def _marked(name: str) -> str:
    """With words in place of the signs that stand for them."""
    name = _POSSESSIVE.sub(r"\1'S", name)
    name = _WITHOUT.sub("without ", name)
    name = _WITH.sub("with ", name)
    name = name.replace("NUT SUPP", "NUTSUPP")
    name = _HYPHEN.sub(_joint, name)
    return _BREAKS.sub(", ", name).replace("&", " and ").replace("<=", " up to ")


def _joint(match: re.Match[str]) -> str:
    return match[0] if match[1] in COMPOUNDS else f"{match[1]}/"


def _word(token: str) -> str:
    if token in KEPT:
        return KEPT[token]
    return WORDS.get(token, token.lower())


def _tidy(text: str) -> str:
    text = re.sub(r"\.(?!\d)", ". ", text)
    text = re.sub(r"\.(?=[\s,]|$)", "", text)
    text = re.sub(r"[\s,]*\(", " (", text)
    text = re.sub(r"\s+([,)])", r"\1", text)
    text = re.sub(r"(?<=[\d%])(?=[a-z]{2})|(?<=[A-Za-z]{2})(?=\d)", " ", text)
    return " ".join(text.split()).strip(" ,-")
