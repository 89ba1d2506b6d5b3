"""A reader of `item-scores`, which takes little of the processors from what it listens to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.fetched import Fetches
from streamer.lane import Room
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES

MOST, MOST_BYTES = 1_000_000, 1 << 30
"""Of a partition whatever has come is taken at once."""


@asynccontextmanager
async def listening(settings: Settings, take: Callable[[list[bytes]], None]) -> AsyncIterator[None]:
    """Hands over what is read, from the beginning on, while the block runs."""
    consumer, topic = AIOKafkaConsumer(bootstrap_servers=settings.broker), ITEM_SCORES.name
    await consumer.start()
    name = settings.topic(topic)
    consumer.assign([TopicPartition(name, p) for p in range(settings.partitions)])
    await consumer.seek_to_beginning()
    task = asyncio.create_task(_listen(consumer, take))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await consumer.stop()


async def _listen(consumer: AIOKafkaConsumer, take: Callable[[list[bytes]], None]) -> None:
    fetches, room = Fetches(), dict.fromkeys(consumer.assignment(), Room(MOST, MOST_BYTES))
    while True:
        found = await fetches.take(consumer._fetcher, room, MOST, timeout=1.0)
        values = [value for some in found.values() for value in some.values if value is not None]
        if values:
            take(values)
