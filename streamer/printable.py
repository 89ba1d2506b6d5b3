"""What strangers wrote, as it may be shown in a terminal."""

from __future__ import annotations

from unicodedata import bidirectional, category

from rich.text import Text

_DIRECTIONS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))


def printable(text: str) -> Text:
    """Text of a stranger as it may be shown in a terminal: taken for no markup, and without the
    characters that steer one or turn the direction of what follows."""
    return Text("".join(" " if _steers(c) else c for c in text))


def _steers(character: str) -> bool:
    return category(character) == "Cc" or bidirectional(character) in _DIRECTIONS
