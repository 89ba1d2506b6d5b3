"""Our transport, batches and exactly-once state doing what the peers do and no more: twelve decayed
sums an item, a logistic score, a message an event. Like theirs, an event's types are checked and
nothing else.

usage: python -m streamer.bench.peers.same_job      settings from the environment
"""

from __future__ import annotations

from streamer import lean

lean.prepare()

import asyncio  # noqa: E402
from collections.abc import Iterable, Mapping  # noqa: E402
from dataclasses import replace  # noqa: E402

import msgspec  # noqa: E402
import numpy as np  # noqa: E402
import uvloop  # noqa: E402

from streamer.agents import behaviour  # noqa: E402
from streamer.bench.peers.sums import Event, Rows, Sums  # noqa: E402
from streamer.chunk import Chunk  # noqa: E402
from streamer.faust_app import StreamerApp, run  # noqa: E402
from streamer.flow import Flow  # noqa: E402
from streamer.interrupt import cancelled  # noqa: E402
from streamer.patience import patiently  # noqa: E402
from streamer.publish import Publisher, Record  # noqa: E402
from streamer.settings import Settings, load  # noqa: E402
from streamer.state.batch import Range  # noqa: E402
from streamer.state.birth import Extent, open_logs  # noqa: E402
from streamer.state.connection import connect  # noqa: E402
from streamer.state.keys import Keys  # noqa: E402
from streamer.state.phases import LostWrites  # noqa: E402
from streamer.state.store import Store  # noqa: E402
from streamer.topology import ITEM_SCORES  # noqa: E402

_decode = msgspec.msgpack.Decoder(Event).decode
_encode = msgspec.msgpack.Encoder().encode


class Score(msgspec.Struct, gc=False):
    """What is told of an event's item."""

    item_id: str
    probability: float


class Job:
    """What a worker is in the product: takes batches of chunks all the way."""

    def __init__(self, app: StreamerApp, settings: Settings) -> None:
        self._target = settings.topic(ITEM_SCORES.name)
        self._publisher = Publisher(app.producer)
        self._store = Store(connect(settings), Keys(settings.group, settings.shards), 0.0)
        self._sums = Sums(self._store)
        self._turn = asyncio.Lock()

    async def start_offsets(
        self, extents: list[Extent]
    ) -> Mapping[tuple[str, int], tuple[int, int]]:
        """Where the state says, but never past what is committed."""
        counted = [replace(extent, phases=("i",)) for extent in extents]
        behind = await patiently(lambda: open_logs(self._store, counted))
        starts = {}
        for extent in counted:
            place = extent.topic, extent.partition
            told = extent.earliest if extent.committed is None else extent.committed
            starts[place] = (max(extent.earliest, min(behind[place], told)),) * 2
        return starts

    async def go(self, chunks: list[Chunk]) -> None:
        """A chunk is done when a score of each of its events is acknowledged."""
        while chunks:
            try:
                await self._go(chunks)
                return
            except LostWrites as lost:
                self._sums.forget()
                chunks = _rewound(chunks, lost)

    async def _go(self, chunks: list[Chunk]) -> None:
        ranges = [_range(some) for some in _by_partition(chunks)]
        events = [
            [_decode(v or b"") for c in some for v in c.values] for some in _by_partition(chunks)
        ]
        rows = Rows.of(events, ranges, self._store.keys)
        async with self._turn:
            scores = await patiently(lambda: self._sums.apply(ranges, rows))
        flat = (event.item_id for some in events for event in some)
        await self._publisher.publish(self._target, _messages(flat, scores.tolist()))
        for chunk in chunks:
            chunk.processed()
            chunk.done()


def _messages(ids: Iterable[str], scores: list[float]) -> list[Record]:
    return [(i.encode(), _encode(Score(i, p))) for i, p in zip(ids, scores, strict=True)]


def _by_partition(chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    found: dict[tuple[str, int], list[Chunk]] = {}
    for chunk in chunks:
        found.setdefault((chunk.topic, chunk.partition), []).append(chunk)
    return list(found.values())


def _range(chunks: list[Chunk]) -> Range:
    """Chunks of one partition that follow one another."""
    whole = Range.of(chunks[0])
    whole.end = chunks[-1].end
    whole.offsets = np.concatenate([chunk.offsets for chunk in chunks])
    return whole


def _rewound(chunks: list[Chunk], lost: LostWrites) -> list[Chunk]:
    """Has what Redis has lost read again; the rest."""
    left = []
    for number, some in enumerate(_by_partition(chunks)):
        if number in lost.watermarks:
            for chunk in some:
                chunk.rewind(lost.watermarks[number])
        else:
            left += some
    return left


async def main() -> None:
    settings = load()
    app = StreamerApp(settings.group, settings)
    job = Job(app, settings)
    app.start_offsets = job.start_offsets
    flow = Flow(job.go, settings.batches_at_once, settings.batch_max_records, app.fail)
    behaviour.register(app, flow)
    lean.settle()
    app.end_on_signals()
    flowing = asyncio.create_task(flow.run())
    try:
        await run(app)
    finally:
        await cancelled(flowing)


if __name__ == "__main__":
    uvloop.run(main())
