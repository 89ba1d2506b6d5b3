"""What the person sees in the terminal while the demo runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from streamer.board_table import board_table
from streamer.replay.progress import Progress as Played
from streamer.state.boards import Decision

LINES = 12
BOARD_SECONDS = 6.0
"""How long one category's board is shown before the next."""


class Show:
    """A progress line above the board of all items and that of one category after the other."""

    def __init__(self, total: int, address: str) -> None:
        self._bar = Progress(
            TextColumn("{task.fields[date]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[waiting]}"),
            expand=True,
        )
        self._task = self._bar.add_task("", total=total, date="", rate="", waiting="")
        self._address = address
        self.note = ""
        self.boards: dict[str, Decision] = {}

    def played(self, progress: Played) -> None:
        """Takes in how far the replay is."""
        date = datetime.fromtimestamp(progress.time, UTC).strftime("%a %d %b %Y %H:%M")
        self._bar.update(
            self._task,
            completed=progress.sent,
            date=f"simulated {date}",
            rate=f"{progress.events_per_second:,.0f} events/s",
            waiting=f"lag {progress.lead or 0:,}",
        )

    def render(self) -> RenderableType:
        parts: list[RenderableType] = [self._bar, Text(f"{self._address}   {self.note}", "dim")]
        if "all" in self.boards:
            parts.append(board_table("all", self.boards["all"], LINES))
        categories = sorted(name for name in self.boards if name != "all")
        if categories:
            name = categories[int(time.monotonic() / BOARD_SECONDS) % len(categories)]
            parts.append(board_table(name, self.boards[name], LINES // 2))
        return Group(*parts)
