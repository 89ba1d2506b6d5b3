from __future__ import annotations

from io import StringIO

from rich.console import Console

from streamer.cli.sentiment import _lines, show
from streamer.encoding.explain import Explained, Keyword

FOUND = Explained(
    "Soft [wool], soft but itchy",
    0.5,
    [Keyword("soft", 1.25, [(0, 4), (13, 17)]), Keyword("itchy", -0.5, [(22, 27)])],
)


def shown(console: Console) -> str:
    show(FOUND, console)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_words_are_marked_where_they_stand_by_which_way_they_speak() -> None:
    assert shown(Console(file=StringIO())) == (
        "+Soft+ [wool], +soft+ but -itchy-\n  soft +1.25, itchy -0.50\n"
    )


def test_a_word_that_weighs_nothing_is_not_marked() -> None:
    console = Console(file=StringIO())
    show(Explained("good", 0.9, [Keyword("good", 0.0, [(0, 4)])]), console)
    assert console.file.getvalue() == "good\n"  # type: ignore[attr-defined]


def test_in_a_terminal_colour_marks_them() -> None:
    text = shown(Console(file=StringIO(), force_terminal=True, color_system="standard"))
    assert "\x1b[1;32mSoft\x1b[0m [wool], \x1b[1;32msoft\x1b[0m but \x1b[1;31mitchy\x1b[0m" in text


def test_reviews_come_line_by_line_whatever_their_bytes() -> None:
    assert list(_lines([b"good \xff thing\r\n", b" \n", "质量很好".encode()])) == [
        "good \ufffd thing",
        "质量很好",
    ]
