"""Ranking: boards that changed are decided once per interval, each with one history.

What changed is first decided in Redis, by compare-and-set on the board's sequence number, then
published, then marked as published. Whoever takes a board over publishes a decision left
unpublished again, word for word, and the next decision of a worker that was away is refused.

Redis may have lost decisions that readers have. So a worker that did not make the decision in force
itself tells the whole board, under a sequence number beyond all that were ever told: it is at most
the number of records that `launch-rank` ever held, and Kafka knows that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from streamer import failpoint, metrics, wire
from streamer.broker import log_ends
from streamer.chunk import Chunk
from streamer.events import LaunchRank
from streamer.judge import Judged
from streamer.launch.boards import competes
from streamer.launch.policy import Candidate, as_told, changes, rank, snapshot
from streamer.patience import patiently
from streamer.scoring.predictor import STAGES
from streamer.state.boards import Decision, Filing
from streamer.state.line import TITLE_CHARS, Line
from streamer.topology import LAUNCH_RANK
from streamer.wire import pack
from streamer.worker import Worker

SPARE_CANDIDATES = 1.5
"""Candidates looked at for each line of a board: some may have aged or moved elsewhere."""
BOARD_REASONS = 2
"""Reasons that a line of a board tells."""
BOARDS_AT_ONCE = 8
"""Decided beside one another: one alone mostly waits, for Redis, Kafka and the worker's batches."""


class Ranker:
    """Decides the boards of the partitions of `board-changes` that this worker holds."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._due: dict[str, None] = {}
        self._chunks: list[Chunk] = []
        self._mine: dict[str, int] = {}
        self._ever_told: int | None = None
        self._asking = asyncio.Lock()

    def note(self, chunk: Chunk) -> None:
        """The boards of this chunk have something to decide; it is done once they are decided."""
        self._due |= dict.fromkeys(wire.board_names(chunk))
        self._chunks.append(chunk)
        chunk.processed()

    async def run(self) -> None:
        """Decides what is due once per interval, for ever."""
        while True:
            await asyncio.sleep(self._worker.settings.rank_interval_seconds)
            await self.decide_due()

    async def decide_due(self) -> None:
        due, self._due = list(self._due), {}
        chunks, self._chunks = self._chunks, []
        self._ever_told = None
        for first in range(0, len(due), BOARDS_AT_ONCE):
            some = due[first : first + BOARDS_AT_ONCE]
            await asyncio.gather(*(self.decide(board) for board in some))
            for chunk in chunks:
                chunk.moved()
        failpoint.passing("ranked")
        for chunk in chunks:
            chunk.done()

    async def decide(self, board: str) -> None:
        """Brings one board up to date and tells its readers what changed."""
        boards = self._worker.boards
        before, published = await patiently(lambda: boards.decision(board))
        failpoint.passing("decision-read")
        if before and not published:
            await self._publish(before)
        after = rank(await self._candidates(board), before.lines if before else [], self._size)
        decision = await self._next(board, before, after)
        if decision and await self._decided(board, before, decision):
            failpoint.passing("decided")
            self._mine[board] = decision.sequence
            await self._publish(decision)

    async def _decided(self, board: str, before: Decision | None, decision: Decision) -> bool:
        return await patiently(lambda: self._worker.boards.decide(board, before, decision))

    @property
    def _size(self) -> int:
        return self._worker.settings.board_size

    async def _candidates(self, board: str) -> list[Candidate]:
        limit = int(self._size * SPARE_CANDIDATES)
        found = await patiently(lambda: self._worker.boards.candidates(board, limit))
        judged = await self._worker.assess.refresh([item_id for item_id, _ in found])
        listed, strays = _sift(board, judged, self._worker.settings.launch_window_days)
        if strays:
            await patiently(lambda: self._worker.boards.file({board: strays}))
        gone = {item_id for item_id, _ in found} - set(judged.items.ids)
        if gone:
            await patiently(lambda: self._worker.boards.forget([board], gone))
        return listed

    async def _next(
        self, board: str, before: Decision | None, after: Sequence[Line]
    ) -> Decision | None:
        """The decision that follows, or None where nothing changed."""
        lines, last = (before.lines, before.sequence) if before else ([], 0)
        taken_over = self._mine.get(board) != last
        told = changes(lines, after)
        if not told and not taken_over:
            return None
        sequence = 1 + (max(last, await self._most_told()) if taken_over else last)
        whole = taken_over or (sequence - 1) % self._worker.settings.snapshot_every_changes == 0
        now = self._worker.assess.clock.now()
        message = LaunchRank(
            board=board,
            sequence=sequence,
            snapshot=whole,
            changes=snapshot(after, lines) if whole else told,
            time=now,
        )
        return Decision(sequence, now, list(after) if whole else as_told(lines, after), message)

    async def _most_told(self) -> int:
        """What no sequence number told before this round exceeds: each record of `launch-rank`
        carries at most one more than there were records before it."""
        async with self._asking:
            if self._ever_told is None:
                topic = self._worker.settings.topic(LAUNCH_RANK.name)
                count = await self._worker.publisher.partitions(topic)
                places = [(topic, number) for number in range(count)]
                ends = await log_ends(self._worker.settings.broker, places)
                self._ever_told = sum(ends.values())
            return self._ever_told

    async def _publish(self, decision: Decision) -> None:
        message, topic = decision.message, self._worker.settings.topic(LAUNCH_RANK.name)
        await self._worker.publisher.publish(topic, [(message.board.encode(), pack(message))])
        failpoint.passing("told")
        metrics.RANK_UPDATES.inc()
        boards = self._worker.boards
        await patiently(lambda: boards.mark_published(message.board, decision.sequence))
        failpoint.passing("marked")


def _sift(
    board: str, judged: Judged, launch_window_days: float
) -> tuple[list[Candidate], list[Filing]]:
    """Judged candidates that may be listed on this board, and those to be taken off it."""
    listed: list[Candidate] = []
    strays: list[Filing] = []
    for place, (item_id, known) in enumerate(
        zip(judged.items.ids, judged.items.known, strict=True)
    ):
        facts = known.facts
        if facts and competes(facts, board, judged.time, launch_window_days):
            reasons = judged.reasons(place)
            listed.append(
                Candidate(
                    item_id=item_id,
                    probability=float(judged.scores.probability[place]),
                    stage=STAGES[judged.scores.stage[place]],
                    reason="; ".join(reasons[:BOARD_REASONS]),
                    title=facts.listing.title[:TITLE_CHARS],
                )
            )
        else:
            strays.append(Filing(item_id, float(judged.versions[place]), judged.time, None))
    return listed, strays
