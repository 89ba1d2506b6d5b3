"""A launch board as a table in the terminal."""

from __future__ import annotations

from rich.table import Table

from streamer.printable import printable
from streamer.state.boards import Decision
from streamer.state.line import Line

_STAGE_COLOURS = {"cold": "blue", "warming": "yellow", "warm": "green"}


def board_table(board: str, decision: Decision | None, lines: int | None = None) -> Table:
    """Rank, change, item, score, stage and why; the first ``lines`` of the board."""
    title = f"launch board: {board}" + (f"  #{decision.sequence}" if decision else "  (empty)")
    table = Table(
        title=printable(title), title_justify="left", box=None, header_style="bold", expand=True
    )
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("item", ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("why", ratio=3, no_wrap=True, overflow="ellipsis")
    for line in decision.lines[:lines] if decision else ():
        colour = _STAGE_COLOURS[line.stage]
        table.add_row(
            str(line.rank),
            _change(line),
            printable(line.title or line.item_id),
            _percent(line.probability),
            f"[{colour}]{line.stage}[/]",
            printable(line.reason),
        )
    return table


def _percent(probability: float) -> str:
    if probability > 0.999:
        return ">99.9%"
    return "<0.1%" if probability < 0.001 else f"{100 * probability:.1f}%"


def _change(line: Line) -> str:
    if line.previous_rank is None:
        return "[green]new[/]"
    moved = line.previous_rank - line.rank
    if moved == 0:
        return "·"
    return f"[green]▲{moved}[/]" if moved > 0 else f"[red]▼{-moved}[/]"
