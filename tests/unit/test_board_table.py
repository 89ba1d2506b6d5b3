"""What a board looks like in the terminal."""

from __future__ import annotations

from unicodedata import category

import pytest
from rich.console import Console

from streamer.board_table import board_table
from streamer.events import LaunchRank
from streamer.state.boards import Decision
from streamer.state.line import Line


def shown(*lines: Line, board: str = "all") -> str:
    console = Console(width=100, record=True, color_system=None)
    message = LaunchRank(board=board, sequence=3, snapshot=True, changes=[], time=0.0)
    console.print(board_table(board, Decision(3, 0.0, list(lines), message)))
    return console.export_text()


@pytest.mark.parametrize("title", ["[bold]Mug", "Mug [/]", "[/red]", "雨衣 [防水]"])
def test_a_title_is_shown_as_it_is_whatever_is_in_it(title: str) -> None:
    assert title in shown(Line("item-1", 1, 0.25, "cold", "▲ [its] brand", title, None))


@pytest.mark.parametrize("board", ["[bold]Mugs", "Mugs [/]", "[/red]", "雨衣 [防水]"])
def test_a_board_may_have_any_name(board: str) -> None:
    assert f"launch board: {board}  #3" in shown(board=board)


def test_a_title_does_not_steer_the_terminal() -> None:
    text = shown(Line("item-1", 1, 0.25, "cold", "\x1b]0;why\x07", "Mug\x1b[31m\r\x9b2J", None))
    assert not [c for c in text if category(c) == "Cc" and c != "\n"]
    assert "Mug [31m" in text


@pytest.mark.parametrize("turn", ["\u202e", "\u202d", "\u2067"])
def test_a_title_does_not_turn_the_direction_of_what_follows(turn: str) -> None:
    assert turn not in shown(Line("item-1", 1, 0.25, "cold", "", f"{turn}guM", None))


def test_a_title_keeps_its_script_and_its_emoji() -> None:
    for title in ("שלום", "雨衣", "👨\u200d👩\u200d👧"):
        assert title in shown(Line("item-1", 1, 0.25, "cold", "", title, None))


def test_near_certainty_is_not_shown_as_certainty() -> None:
    text = shown(Line("item-1", 1, 0.99999, "warm", "", "Mug", 1))
    assert ">99.9%" in text
    assert "100" not in text
