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
from streamer.launch.boards import boards_of, listable
from streamer.patience import patiently
from streamer.publish import Publisher
from streamer.settings import Settings
from streamer.state.boards import Boards, Filing
from streamer.topology import BOARD_CHANGES
from streamer.wire import pack

Ints = NDArray[np.int64]

SCORE = np.dtype([("version", "f8"), ("time", "f8"), ("probability", "f8"), ("listed", "?")])
"""Of two scores the one with the larger version and stream time is the later. What may be listed is
``listed``."""
OFF_ITEMS = 100_000
"""Items of which it is remembered that they were last filed as not to be listed."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What filing needs of scores, and nothing that would keep the rest in memory: ids, boards, and
    a row of SCORE each."""

    ids: list[str]
    boards: list[tuple[str, ...]]
    scores: NDArray[np.void]


class Filer:
    """Collects what was scored; files each item's latest score, names the boards that changed on
    `board-changes`, and only then lets the chunks be committed.

    An item that is not to be listed is filed once as such, not again as long as that is so: the
    sweep files ``everything`` again, and whoever decides a board takes off what must not be there.
    """

    def __init__(self, boards: Boards, publisher: Publisher, settings: Settings) -> None:
        self._boards = boards
        self._publisher = publisher
        self._settings = settings
        self._scored: list[Scored] = []
        self._chunks: list[Chunk] = []
        self._off: set[str] = set()
        self._lost = False

    def add(
        self, judged: Judged, chunks: Sequence[Chunk] = (), *, everything: bool = False
    ) -> None:
        """Takes the scores of a batch's items, and its chunks, to be marked as done."""
        ids, beside = judged.items.ids, judged.items.beside
        listed = listable(beside, judged.time, self._settings.launch_window_days)
        wanted = ~np.isnan(beside["launch"])
        if not everything:
            hidden = np.flatnonzero(wanted & ~listed).tolist()
            wanted[[place for place in hidden if ids[place] in self._off]] = False
        self._off.difference_update([ids[place] for place in np.flatnonzero(listed).tolist()])
        self._scored.append(_scored(judged, np.flatnonzero(wanted), listed))
        self._chunks += chunks

    def forget(self, *, lost: bool = False) -> None:
        """What was filed may be lost, or somebody else may have filed since. Where Redis has
        ``lost`` items and not their boards, as one node of a cluster can, boards know of later
        versions than there are: then boards are to forget, too."""
        self._off.clear()
        self._lost |= lost

    async def run(self) -> None:
        """Files once per interval, for ever."""
        while True:
            await asyncio.sleep(self._settings.rank_interval_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Files the latest score of every item collected so far."""
        scored, self._scored = self._scored, []
        chunks, self._chunks = self._chunks, []
        by_board = filings(scored)
        if self._lost:
            self._lost = False
            await patiently(self._boards.forget_filings)
        self._note_off(by_board)
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

    def _note_off(self, by_board: dict[str, list[Filing]]) -> None:
        if len(self._off) > OFF_ITEMS:
            self._off.clear()
        self._off.update(
            filed.item_id for some in by_board.values() for filed in some if filed.score is None
        )


def _scored(judged: Judged, places: Ints, listed: NDArray[np.bool_]) -> Scored:
    scores = np.empty(len(places), SCORE)
    scores["version"] = judged.versions[places]
    scores["time"] = judged.time
    scores["probability"] = judged.scores.probability[places]
    scores["listed"] = listed[places]
    ids, known = judged.items.ids, judged.items.known
    boards = [boards_of(facts) for place in places.tolist() if (facts := known[place].facts)]
    return Scored([ids[place] for place in places.tolist()], boards, scores)


def filings(scored: Sequence[Scored]) -> dict[str, list[Filing]]:
    """By board, where each item belongs by its latest score."""
    by_board: defaultdict[str, list[Filing]] = defaultdict(list)
    ids = [item_id for some in scored for item_id in some.ids]
    boards = [names for some in scored for names in some.boards]
    scores = np.concatenate([np.empty(0, SCORE), *(some.scores for some in scored)])
    latest = _latest(ids, scores)
    for place, score in zip(latest.tolist(), scores[latest].tolist(), strict=True):
        version, time, probability, listed = score
        filing = Filing(ids[place], version, time, probability if listed else None)
        for board in boards[place]:
            by_board[board].append(filing)
    return by_board


def _latest(ids: Sequence[str], scores: NDArray[np.void]) -> Ints:
    """The place of each item's latest score; of equal ones, the last."""
    numbers: dict[str, int] = {}
    item = np.array([numbers.setdefault(item_id, len(numbers)) for item_id in ids], np.int64)
    order = np.lexsort((scores["time"], scores["version"], item))
    last = np.append(item[order][1:] != item[order][:-1], True) if len(ids) else order
    return order[last]
