"""Filing: scored items onto their launch boards, once per interval, before their chunks are done."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer import failpoint
from streamer.chunk import Chunk
from streamer.events import BoardChange
from streamer.judge import Judged
from streamer.launch.boards import boards_of, may_be_listed
from streamer.patience import patiently
from streamer.publish import Publisher
from streamer.settings import Settings
from streamer.state.boards import Boards, Filing
from streamer.state.known import Facts
from streamer.topology import BOARD_CHANGES
from streamer.wire import pack

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """What filing needs of a chunk's scores, and nothing that would keep the rest in memory."""

    ids: list[str]
    facts: list[Facts | None]
    versions: Floats
    probability: Floats
    time: float

    @classmethod
    def of(cls, judged: Judged) -> Scored:
        facts = [known.facts for known in judged.items.known]
        probability = judged.scores.probability
        return cls(judged.items.ids, facts, judged.versions.copy(), probability, judged.time)

    def age(self, place: int) -> tuple[float, float]:
        """The version and stream time of a score: of two, the larger is the later one."""
        return float(self.versions[place]), self.time


class Filer:
    """Collects what was scored; files each item's latest score, names the boards that changed on
    `board-changes`, and only then lets the chunks be committed."""

    def __init__(self, boards: Boards, publisher: Publisher, settings: Settings) -> None:
        self._boards = boards
        self._publisher = publisher
        self._settings = settings
        self._scored: list[Scored] = []
        self._chunks: list[Chunk] = []

    def add(self, judged: Judged, chunk: Chunk | None = None) -> None:
        """Takes the scores of a chunk's items, and the chunk itself, to be marked as done."""
        self._scored.append(Scored.of(judged))
        if chunk is not None:
            self._chunks.append(chunk)

    async def run(self) -> None:
        """Files once per interval, for ever."""
        while True:
            await asyncio.sleep(self._settings.rank_interval_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Files the latest score of every item collected so far."""
        scored, self._scored = self._scored, []
        chunks, self._chunks = self._chunks, []
        by_board = filings(scored, self._settings.launch_window_days)
        if by_board:
            failpoint.passing("filing")
            await patiently(lambda: self._boards.file(by_board))
            failpoint.passing("filed")
            await self._announce(by_board)
            failpoint.passing("announced")
        for chunk in chunks:
            chunk.done()
            failpoint.passing("done")

    async def _announce(self, by_board: dict[str, list[Filing]]) -> None:
        records = [
            (board.encode(), pack(BoardChange(board=board, time=max(f.time for f in some))))
            for board, some in by_board.items()
        ]
        await self._publisher.publish(self._settings.topic(BOARD_CHANGES.name), records)


def filings(scored: Sequence[Scored], launch_window_days: float) -> dict[str, list[Filing]]:
    """By board, where each item belongs by its latest score."""
    latest: dict[str, tuple[Scored, int]] = {}
    for some in scored:
        for place, item_id in enumerate(some.ids):
            before = latest.get(item_id)
            if before is None or some.age(place) >= before[0].age(before[1]):
                latest[item_id] = some, place
    by_board: defaultdict[str, list[Filing]] = defaultdict(list)
    for item_id, (some, place) in latest.items():
        facts = some.facts[place]
        if facts:
            listed = may_be_listed(facts, some.time, launch_window_days)
            score = float(some.probability[place]) if listed else None
            for board in boards_of(facts):
                by_board[board].append(Filing(item_id, *some.age(place), score))
    return by_board
