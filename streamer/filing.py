"""Filing: scored items onto their launch boards, once per interval, before their chunks are done."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

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

OFF_ITEMS = 100_000
"""Items of which it is remembered that they were last filed as not to be listed."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What filing needs of scores, and nothing that would keep the rest in memory; ``listed`` says
    which items may be listed."""

    ids: list[str]
    boards: list[tuple[str, ...]]
    listed: list[bool]
    versions: list[float]
    probability: list[float]
    time: float

    def age(self, place: int) -> tuple[float, float]:
        """The version and stream time of a score: of two, the larger is the later one."""
        return self.versions[place], self.time


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

    def add(
        self, judged: Judged, chunks: Sequence[Chunk] = (), *, everything: bool = False
    ) -> None:
        """Takes the scores of a batch's items, and its chunks, to be marked as done."""
        ids, known = judged.items.ids, judged.items.known
        listed = listable(known, judged.time, self._settings.launch_window_days)
        places = [
            place
            for place, item_id in enumerate(ids)
            if known[place].facts and (listed[place] or everything or item_id not in self._off)
        ]
        self._off.difference_update([ids[place] for place in places if listed[place]])
        self._scored.append(
            Scored(
                [ids[place] for place in places],
                [boards_of(facts) for place in places if (facts := known[place].facts)],
                [listed[place] for place in places],
                judged.versions[places].tolist(),
                judged.scores.probability[places].tolist(),
                judged.time,
            )
        )
        self._chunks += chunks

    def forget(self) -> None:
        """What was filed may be lost."""
        self._off.clear()

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
        if by_board:
            failpoint.passing("filing")
            await patiently(lambda: self._boards.file(by_board))
            failpoint.passing("filed")
            self._note_off(by_board)
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


def filings(scored: Sequence[Scored]) -> dict[str, list[Filing]]:
    """By board, where each item belongs by its latest score."""
    latest: dict[str, tuple[Scored, int]] = {}
    for some in scored:
        for place, item_id in enumerate(some.ids):
            before = latest.get(item_id)
            if before is None or some.age(place) >= before[0].age(before[1]):
                latest[item_id] = some, place
    by_board: defaultdict[str, list[Filing]] = defaultdict(list)
    for item_id, (some, place) in latest.items():
        score = some.probability[place] if some.listed[place] else None
        filing = Filing(item_id, *some.age(place), score)
        for board in some.boards[place]:
            by_board[board].append(filing)
    return by_board
