"""Filing: scored items onto their launch boards, once per interval, before their chunks are done."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from streamer.chunk import Chunk
from streamer.events import BoardChange
from streamer.judge import Judged
from streamer.launch.boards import boards_of, may_be_listed
from streamer.patience import patiently
from streamer.publish import Publisher
from streamer.settings import Settings
from streamer.state.boards import Boards, Filing
from streamer.topology import BOARD_CHANGES
from streamer.wire import pack


class Filer:
    """Collects what was scored; files each item's latest score, names the boards that changed on
    `board-changes`, and only then lets the chunks be committed."""

    def __init__(self, boards: Boards, publisher: Publisher, settings: Settings) -> None:
        self._boards = boards
        self._publisher = publisher
        self._settings = settings
        self._waiting: dict[tuple[str, str], Filing] = {}
        self._chunks: list[Chunk] = []

    def add(self, judged: Judged, chunk: Chunk | None = None) -> None:
        """Takes the scores of a chunk's items, and the chunk itself, to be marked as done."""
        for board, filing in filings(judged, self._settings.launch_window_days):
            waiting = self._waiting.get((board, filing.item_id))
            if waiting is None or (filing.version, filing.time) >= (waiting.version, waiting.time):
                self._waiting[board, filing.item_id] = filing
        if chunk is not None:
            self._chunks.append(chunk)

    def withdraw(self, board: str, filing: Filing) -> None:
        """Takes an item off a board that is no longer its own."""
        self._waiting[board, filing.item_id] = filing

    async def run(self) -> None:
        """Files once per interval, for ever."""
        while True:
            await asyncio.sleep(self._settings.rank_interval_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Files everything collected so far."""
        waiting, self._waiting = self._waiting, {}
        chunks, self._chunks = self._chunks, []
        by_board: defaultdict[str, list[Filing]] = defaultdict(list)
        for (board, _), filing in waiting.items():
            by_board[board].append(filing)
        if by_board:
            await patiently(lambda: self._boards.file(by_board))
            await self._announce(by_board)
        for chunk in chunks:
            chunk.done()

    async def _announce(self, by_board: dict[str, list[Filing]]) -> None:
        records = [
            (board.encode(), pack(BoardChange(board=board, time=max(f.time for f in some))))
            for board, some in by_board.items()
        ]
        await self._publisher.publish(self._settings.topic(BOARD_CHANGES.name), records)


def filings(judged: Judged, launch_window_days: float) -> list[tuple[str, Filing]]:
    """Where each judged item belongs: (board, filing)."""
    found: list[tuple[str, Filing]] = []
    rows = zip(
        judged.items.ids,
        judged.items.known,
        judged.versions.tolist(),
        judged.scores.probability.tolist(),
        strict=True,
    )
    for item_id, known, version, probability in rows:
        if known.facts:
            listed = may_be_listed(known.facts, judged.time, launch_window_days)
            filing = Filing(item_id, version, judged.time, probability if listed else None)
            found += [(board, filing) for board in boards_of(known.facts)]
    return found
