"""Outputs in batches: many records at once, back when all of them are acknowledged."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from streamer import failpoint
from streamer.errors import BrokerUnavailable
from streamer.state.remembered import Remembered

Record = tuple[bytes, bytes | None]
"""Key and value; a value of None is a tombstone."""

Within = Callable[[int], range]


def everywhere(partitions: int) -> range:
    """All partitions of a topic."""
    return range(partitions)


class Publisher:
    """Sends records, keyed as Kafka's default partitioner does it (murmur2 of the key).

    Records of a topic are written in the order of the calls.
    """

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._order: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._hash: Remembered[bytes, int] = Remembered(_positive_murmur2, size=200_000)

    async def partitions(self, topic: str) -> int:
        """How many a topic has. Raises BrokerUnavailable."""
        client: AIOKafkaProducer = self._producer.client
        try:
            return len(await client.partitions_for(topic))
        except KafkaError as error:
            raise BrokerUnavailable(f"could not find {topic}: {error!r}") from error

    async def publish(
        self, topic: str, records: Iterable[Record], *, within: Within = everywhere
    ) -> None:
        """Returns once every record is acknowledged by all in-sync replicas.

        ``within`` names the partitions, of so many, over which these records are spread. Raises
        BrokerUnavailable.
        """
        client: AIOKafkaProducer = self._producer.client
        try:
            places = within(len(await client.partitions_for(topic)))
            async with self._order[topic]:
                acknowledged = await self._enqueue(client, topic, self._spread(records, places))
            failpoint.passing("sent")
            await asyncio.gather(*acknowledged)
        except KafkaError as error:
            raise BrokerUnavailable(f"could not write to {topic}: {error!r}") from error

    def _spread(self, records: Iterable[Record], places: range) -> dict[int, list[Record]]:
        by_partition: defaultdict[int, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[places[self._hash[record[0]] % len(places)]].append(record)
        return by_partition

    async def _enqueue(
        self, client: AIOKafkaProducer, topic: str, by_partition: dict[int, list[Record]]
    ) -> list[Awaitable[Any]]:
        sent = await asyncio.gather(
            *(_enqueue(client, topic, place, some) for place, some in by_partition.items())
        )
        return [acknowledged for each in sent for acknowledged in each]


async def _enqueue(
    client: AIOKafkaProducer, topic: str, partition: int, records: list[Record]
) -> list[Awaitable[Any]]:
    """Hands one partition's records to the producer, in order; returns what is acknowledged."""
    acknowledged: list[Awaitable[Any]] = []
    batch = client.create_batch()
    for key, value in records:
        if batch.append(key=key, value=value, timestamp=None) is None:
            acknowledged.append(await client.send_batch(batch, topic, partition=partition))
            batch = client.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    acknowledged.append(await client.send_batch(batch, topic, partition=partition))
    return acknowledged


def _positive_murmur2(key: bytes) -> int:
    hashed: int = murmur2(key)
    return hashed & 0x7FFFFFFF
