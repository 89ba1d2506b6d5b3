"""Records on a real broker: written as one batch, read to the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streamer.broker import describe, log_ends
from streamer.settings import Settings

MAX_BYTES = 64 * 2**20
"""As on a Kafka whose `message.max.bytes` was raised; by default it takes about 1 MB."""

Record = tuple[bytes | None, bytes | None]


async def write(
    settings: Settings, topic: str, records: Sequence[Record], partition: int = 0
) -> int:
    """Appends the records as one batch; returns the offset of the first."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker,
        acks="all",
        max_batch_size=MAX_BYTES,
        max_request_size=MAX_BYTES,
    )
    await producer.start()
    try:
        await producer.client.force_metadata_update()
        batch = producer.create_batch()
        for key, value in records:
            assert batch.append(key=key, value=value, timestamp=None) is not None
        name = settings.topic(topic)
        acknowledged = await producer.send_batch(batch, name, partition=partition)
        first: int = (await acknowledged).offset
        return first
    finally:
        await producer.stop()


async def read(settings: Settings, topic: str) -> list[Any]:
    """Every record of a topic as it is now, by partition and offset."""
    name = settings.topic(topic)
    count = describe(settings.broker, [name])[name].partitions
    ends = await log_ends(settings.broker, [(name, number) for number in range(count)])
    left = {TopicPartition(*place): end for place, end in ends.items() if end}
    if not left:
        return []
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(list(left))
        found: list[Any] = []
        while left:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                found += records
                if place in left and records[-1].offset + 1 >= left[place]:
                    del left[place]
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()
