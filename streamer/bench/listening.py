"""A reader of `item-scores`, as shops have one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.settings import Settings
from streamer.topology import ITEM_SCORES


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
    while True:
        found = await consumer.getmany(timeout_ms=1000)
        values = [record.value for records in found.values() for record in records]
        if values:
            take(values)
