"""Our way of a chunk on bare aiokafka: the ceiling.

Fetches are read as columns, chunks bounded and gathered into batches, state kept, scores told,
items filed and offsets committed as a worker does it, by the same code. What is left out is Faust,
and the ranking and sweep beside it: a worker is slower by what these cost.

usage: python -m streamer.bench.peers.bare_aiokafka INPUT      settings from the environment
"""

from __future__ import annotations

from streamer import lean

lean.prepare()

import asyncio  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from functools import partial  # noqa: E402
from typing import Any  # noqa: E402

import uvloop  # noqa: E402
from aiokafka import AIOKafkaConsumer  # noqa: E402
from aiokafka.structs import TopicPartition  # noqa: E402

from streamer.broker import describe  # noqa: E402
from streamer.chunk import Chunk  # noqa: E402
from streamer.consumer_thread import FETCH_WAIT_MS  # noqa: E402
from streamer.faust_app import FETCH_BYTES  # noqa: E402
from streamer.fetched import Fetched, Fetches  # noqa: E402
from streamer.flow import Flow  # noqa: E402
from streamer.lane import Lane, Room  # noqa: E402
from streamer.replay.producing import producing  # noqa: E402
from streamer.settings import load  # noqa: E402
from streamer.state.birth import Extent, open_logs  # noqa: E402
from streamer.way import go  # noqa: E402
from streamer.worker import Worker  # noqa: E402

POLL_SECONDS = 0.02
"""As long as a fetch may take to come before it is seen which partitions have room."""


class _App:
    """What a worker needs of an app."""

    def __init__(self, producer: Any) -> None:
        self.producer = producer

    def fail(self, error: BaseException) -> None:
        traceback.print_exception(error)
        os._exit(1)


async def main(topic: str) -> None:
    settings = load()
    log = describe(settings.broker, [topic])[topic].log
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker,
        # Who is not a member may not commit for a group that a worker was in.
        group_id=f"{settings.group}-bare",
        enable_auto_commit=False,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    async with producing(settings) as producer:
        worker = Worker(_App(producer), settings)  # type: ignore[arg-type]
        places = [TopicPartition(topic, p) for p in range(settings.partitions)]
        await open_logs(worker.store, [Extent(topic, p.partition, log, None, 0, 0) for p in places])
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        limits = settings.in_flight_max_records, settings.in_flight_max_bytes
        lanes = Lanes({place: Lane(log, 0, 0, *limits) for place in places})
        bounds = settings.batches_at_once, settings.batch_max_records
        flow = Flow(partial(go, worker), *bounds, worker.app.fail)
        lean.settle()
        await asyncio.gather(
            _read(consumer, settings.chunk_max_records, lanes, flow),
            flow.run(),
            _commit(consumer, worker, lanes),
        )


class Lanes:
    """The partitions that are read, told what became of their chunks."""

    def __init__(self, lanes: dict[TopicPartition, Lane]) -> None:
        self.lanes = lanes
        self._room = asyncio.Event()

    async def with_room(self) -> dict[TopicPartition, Room]:
        """Those that another chunk may be taken from, when there are some, and how large a one."""
        while not (found := {p: lane.room for p, lane in self.lanes.items() if lane.has_room()}):
            self._room.clear()
            await self._room.wait()
        return found

    def chunk(self, place: TopicPartition, found: Fetched) -> Chunk:
        lane = self.lanes[place]
        chunk = Chunk(
            topic=place.topic,
            partition=place.partition,
            log=lane.log,
            start=lane.position,
            end=found.next,
            offsets=found.offsets,
            timestamps_ms=found.timestamps_ms,
            keys=found.keys,
            values=found.values,
            source=self,
        )
        lane.issue(chunk)
        return chunk

    def moved(self, chunk: Chunk) -> None: ...

    def processed(self, chunk: Chunk) -> None:
        self._of(chunk).processed(chunk.start)
        self._room.set()

    def done(self, chunk: Chunk) -> None:
        chunk.source = None
        self._of(chunk).done(chunk.start)
        self._room.set()

    def rewind(self, chunk: Chunk, offset: int) -> None:
        raise RuntimeError(f"Redis has lost writes from offset {offset} on")

    def _of(self, chunk: Chunk) -> Lane:
        return self.lanes[TopicPartition(chunk.topic, chunk.partition)]

    def committable(self) -> dict[TopicPartition, int]:
        ends = {place: lane.committable() for place, lane in self.lanes.items()}
        return {place: end for place, end in ends.items() if end is not None}


async def _read(consumer: AIOKafkaConsumer, most: int, lanes: Lanes, flow: Flow) -> None:
    fetches = Fetches()
    while True:
        room = await lanes.with_room()
        taken = await fetches.take(consumer._fetcher, room, most, POLL_SECONDS)
        for place, found in taken.items():
            flow.add(lanes.chunk(place, found))


async def _commit(consumer: AIOKafkaConsumer, worker: Worker, lanes: Lanes) -> None:
    while True:
        await asyncio.sleep(worker.settings.commit_interval_seconds)
        await worker.filer.flush()
        if ends := lanes.committable():
            await consumer.commit(ends)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
