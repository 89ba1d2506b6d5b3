"""Our way of a chunk in a bare aiokafka loop, without Faust, ranking and sweep: the ceiling.

usage: python -m streamer.bench.peers.bare_aiokafka INPUT      settings from the environment
"""

from __future__ import annotations

from streamer import lean

lean.prepare()

import asyncio  # noqa: E402
import sys  # noqa: E402
from functools import partial  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import uvloop  # noqa: E402
from aiokafka import AIOKafkaConsumer  # noqa: E402
from aiokafka.structs import TopicPartition  # noqa: E402

from streamer.broker import describe  # noqa: E402
from streamer.chunk import Chunk  # noqa: E402
from streamer.flow import Flow  # noqa: E402
from streamer.replay.producing import producing  # noqa: E402
from streamer.settings import load  # noqa: E402
from streamer.state.birth import Extent, open_logs  # noqa: E402
from streamer.way import go  # noqa: E402
from streamer.worker import Worker  # noqa: E402

CHUNKS_AT_ONCE = 8
"""Chunks fetched and not yet scored."""


class _App:
    """What a worker needs of an app."""

    def __init__(self, producer: Any) -> None:
        self.producer = producer

    def fail(self, error: BaseException) -> None:
        raise error


async def main(topic: str) -> None:
    settings = load()
    log = describe(settings.broker, [topic])[topic].log
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker, group_id=settings.group, enable_auto_commit=False
    )
    await consumer.start()
    async with producing(settings) as producer:
        worker = Worker(_App(producer), settings)  # type: ignore[arg-type]
        places = [TopicPartition(topic, p) for p in range(settings.partitions)]
        await open_logs(worker.store, [Extent(topic, p.partition, log, None, 0, 0) for p in places])
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        position = dict.fromkeys(places, 0)
        lean.settle()
        acknowledged = _Acknowledged()
        bounds = settings.batches_at_once, settings.batch_max_records
        flow = Flow(partial(go, worker), *bounds, worker.app.fail)
        flowing = asyncio.create_task(flow.run())
        filing = asyncio.create_task(_commit(consumer, worker, acknowledged))
        while not (filing.done() or flowing.done()):
            found = await consumer.getmany(timeout_ms=50, max_records=settings.chunk_max_records)
            for place, records in found.items():
                chunk = _chunk(log, place, position[place], records)
                chunk.source = acknowledged
                position[place] = chunk.end
                await acknowledged.room.acquire()
                flow.add(chunk)
        filing.result()


class _Acknowledged:
    """Where each partition may be committed."""

    def __init__(self) -> None:
        self.ends: dict[TopicPartition, int] = {}
        self.room = asyncio.Semaphore(CHUNKS_AT_ONCE)

    def processed(self, chunk: Chunk) -> None:
        self.room.release()

    def done(self, chunk: Chunk) -> None:
        place = TopicPartition(chunk.topic, chunk.partition)
        self.ends[place] = max(chunk.end, self.ends.get(place, 0))

    def rewind(self, chunk: Chunk, offset: int) -> None:
        raise RuntimeError(f"Redis has lost writes from offset {offset} on")


async def _commit(consumer: AIOKafkaConsumer, worker: Worker, acknowledged: _Acknowledged) -> None:
    while True:
        await asyncio.sleep(worker.settings.commit_interval_seconds)
        await worker.filer.flush()
        if acknowledged.ends:
            await consumer.commit(acknowledged.ends)


def _chunk(log: str, place: TopicPartition, start: int, records: list[Any]) -> Chunk:
    return Chunk(
        topic=place.topic,
        partition=place.partition,
        log=log,
        start=start,
        end=records[-1].offset + 1,
        offsets=np.array([record.offset for record in records]),
        timestamps_ms=np.array([record.timestamp for record in records]),
        keys=[record.key for record in records],
        values=[record.value for record in records],
    )


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
