"""What strangers wrote, as it may be shown in a terminal."""

from __future__ import annotations

from unicodedata import category

from rich.text import Text


def printable(text: str) -> Text:
    """Text of a stranger as it may be shown in a terminal: taken for no markup, and without the
    characters that steer one."""
    return Text("".join(" " if category(c) == "Cc" else c for c in text))
