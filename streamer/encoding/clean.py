"""What the model gets to see of a text: meaning kept, noise and hostile input removed.

Every step is linear in the text's length, whatever the text: no pattern can backtrack across
more than a bounded number of characters, and runs of combining marks, which make Unicode
normalisation quadratic, are cut first. Most texts need little of it, and one thread cleans for all
the others, so what is slow runs only where a quick look finds something to do.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

import regex

RAW_CHARS_PER_CHAR = 8
"""Markup may take this many times the room of the text in it before the cut comes too early."""

_MAX_RUN = 3
_ESCAPED_TIMES = 2
"""Shops' exports are often escaped once more than they should be."""
_MAX_MARKS = 4
_WORD_CHARS = 24

_ELEMENT = regex.compile(r"(?is)<(script|style)\b[^<>]{0,200}>(?:(?!<\1\b|</\1).)*+</\1\s*>")
_COMMENT = regex.compile(r"(?s)<!--(?:(?!<!--|-->).)*+-->")
_TAG = regex.compile(r"</?[A-Za-z][^<>]{0,500}>")
_LABEL = r"[\p{L}\p{M}\p{N}-]{1,63}+"
_LETTER = r"[[\p{L}\p{M}]--\p{ASCII}]"
_UNSPACED = r"\p{Han}\p{Hira}\p{Kana}\p{Hang}\p{Thai}\p{Lao}\p{Khmr}\p{Mymr}"
"""Scripts whose letters may begin what a sentence goes on with right behind a host."""
_URL = regex.compile(
    rf"""(?x)(?i:(?<![a-z0-9_])(?:https?://|www\.)(?:www\.)?)(?|
        (?= [A-Za-z0-9-]{{0,63}}+ {_LETTER}
        |   [A-Za-z0-9.-]{{0,80}}+ (?:[{_LETTER}--[{_UNSPACED}]] | (?<=\.){_LETTER}) )
        ({_LABEL}(?:\.{_LABEL}){{1,8}}+) (?:[/?\#:][!-~\p{{L}}\p{{M}}\p{{N}}]{{0,2000}}+)?
    |   ([A-Za-z0-9.-]{{1,80}}) [!-~]{{0,2000}}
    )""",
    regex.V1,
)
"""An address, and its host; one that is not ASCII has at least two labels."""
_MARKS = regex.compile(rf"(\p{{M}}{{{_MAX_MARKS}}})\p{{M}}++")
_SPACE = regex.compile(r"[\s\p{Cc}]++")
_INVISIBLE = regex.compile(r"[\p{Cf}\p{Cs}\p{Co}\p{Cn}\u20E3\uFE00-\uFE0F\U0001F3FB-\U0001F3FF]++")
_FLAG = regex.compile(r"([\U0001F1E6-\U0001F1FF])([\U0001F1E6-\U0001F1FF])")
_FIRST_INDICATOR = 0x1F1E6
_ANY_RUN = re.compile(rf"(.)\1{{{_MAX_RUN}}}", re.DOTALL)
_RUN = regex.compile(rf"([^\d\s])\1{{{_MAX_RUN},}}+")
_EMOJI = regex.compile(r"[\p{Emoji_Presentation}\p{Extended_Pictographic}--[\p{ASCII}]]", regex.V1)


def clean(text: str, max_chars: int, reads_emoji: Callable[[str], bool]) -> str:
    """The text as the tokenizer should get it, at most ``max_chars`` long; "" if nothing is left.

    Markup, control and invisible characters go, full-width forms become ordinary ones, a run of
    one character is cut to three (digits aside), an address shrinks to its host, a flag becomes its
    country's letters, and an emoji that ``reads_emoji`` does not know is written out by its Unicode
    name.

    >>> clean("<b>So</b>ooooo good&nbsp;!!!!! 😍 ｆｕｌｌ", 100, lambda emoji: False)
    'So ooo good !!! smiling face with heart-shaped eyes full'
    """
    limit = max_chars * RAW_CHARS_PER_CHAR
    text = _without_markup(text[:limit])
    for _ in range(_ESCAPED_TIMES):
        if "&" in text:
            text = _without_markup(html.unescape(text))
    if "://" in text or "www." in text.lower():
        text = _URL.sub(r"\1 ", text)
    if not text.isascii():
        text = _plain(text)[:limit]
    text = _spaced(text)
    if _ANY_RUN.search(text):
        text = _RUN.sub(lambda run: run[1] * _MAX_RUN, text)
    if not text.isascii():
        text = _FLAG.sub(lambda flag: f" {_letter(flag[1])}{_letter(flag[2])} ", text)
        text = _spaced(_EMOJI.sub(lambda emoji: _spelt(emoji[0], reads_emoji), text))
    return cut(text.strip(), max_chars)


def cut(text: str, max_chars: int) -> str:
    """The beginning of the text, ending between words where words have spaces between them."""
    if len(text) <= max_chars:
        return text
    space = text.rfind(" ", max_chars - _WORD_CHARS, max_chars + 1)
    return text[: space if space > 0 else max_chars].rstrip()


def _without_markup(text: str) -> str:
    if "<" not in text:
        return text
    for pattern in (_ELEMENT, _COMMENT, _TAG):
        text = pattern.sub(" ", text)
    return text


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", _MARKS.sub(r"\1", text))
    return _INVISIBLE.sub("", _spaced(text))


def _spaced(text: str) -> str:
    """With single spaces: no other space or control character can be printed."""
    return text if text.isprintable() and "  " not in text else _SPACE.sub(" ", text)


def _letter(indicator: str) -> str:
    return chr(ord("A") + ord(indicator) - _FIRST_INDICATOR)


def _spelt(emoji: str, reads_emoji: Callable[[str], bool]) -> str:
    return emoji if reads_emoji(emoji) else f" {unicodedata.name(emoji, '').lower()} "
