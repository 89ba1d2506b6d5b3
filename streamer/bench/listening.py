"""A reader of topics that takes little of the processors from what it listens to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.fetched import Fetches
from streamer.lane import Room
from streamer.settings import Settings
from streamer.topology import Topic

MOST, MOST_BYTES = 1_000_000, 1 << 30
"""Of a partition whatever has come is taken at once."""

More = Callable[[], Awaitable[list[bytes]]]


@asynccontextmanager
async def reading(settings: Settings, topic: Topic) -> AsyncIterator[More]:
    """Gives what came on a topic since the last call, from the beginning on, or waits a while for
    it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker)
    await consumer.start()
    name = settings.topic(topic.name)
    consumer.assign([TopicPartition(name, p) for p in range(settings.partitions)])
    await consumer.seek_to_beginning()
    fetches, room = Fetches(), dict.fromkeys(consumer.assignment(), Room(MOST, MOST_BYTES))

    async def more() -> list[bytes]:
        found = await fetches.take(consumer._fetcher, room, MOST, timeout=1.0)
        return [value for some in found.values() for value in some.values if value is not None]

    try:
        yield more
    finally:
        await consumer.stop()


@asynccontextmanager
async def listening(
    settings: Settings, topic: Topic, take: Callable[[list[bytes]], None]
) -> AsyncIterator[None]:
    """Hands over what is read while the block runs."""
    async with reading(settings, topic) as more:
        task = asyncio.create_task(_listen(more, take))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _listen(more: More, take: Callable[[list[bytes]], None]) -> None:
    while True:
        if values := await more():
            take(values)
