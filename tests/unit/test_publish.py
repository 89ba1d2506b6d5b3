"""Records go where Kafka's default partitioner sends them, in order, and are waited for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, NotLeaderForPartitionError
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import BrokerUnavailable
from streamer.outputs import _first_quarter, _the_rest
from streamer.publish import Publisher, Record

BATCH = 3


class Batch(list[Record]):
    """Takes BATCH records, then refuses like a full aiokafka batch."""

    def append(self, *, key: bytes, value: bytes | None, timestamp: None) -> Any:  # type: ignore[override]
        if len(self) == BATCH:
            return None
        super().append((key, value))
        return object()


class SlowClient:
    """Keeps what is sent, and acknowledges it only when told to."""

    def __init__(self, partitions: int = 4) -> None:
        self.partitions = list(range(partitions))
        self.log: defaultdict[int, list[Record]] = defaultdict(list)
        self.waiting: list[asyncio.Future[None]] = []

    async def partitions_for(self, topic: str) -> list[int]:
        return self.partitions

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Any:
        await asyncio.sleep(0)
        self.log[partition] += batch
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    def acknowledge(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)


async def publish(client: SlowClient, *calls: list[Record], **options: Any) -> None:
    publisher = Publisher(SimpleNamespace(client=client))
    tasks = [asyncio.create_task(publisher.publish("t", call, **options)) for call in calls]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        client.acknowledge()
    await asyncio.gather(*tasks)


keys = st.binary(min_size=1, max_size=8)


@given(st.lists(st.lists(keys, max_size=12), max_size=4), st.integers(1, 7))
def test_each_key_keeps_its_partition_and_its_order(calls: list[list[bytes]], count: int) -> None:
    client, number = SlowClient(count), 0
    records: list[list[Record]] = []
    for call in calls:
        records.append([(key, str(number + i).encode()) for i, key in enumerate(call)])
        number += len(call)
    asyncio.run(publish(client, *records))
    partition_of = DefaultPartitioner()
    expected: defaultdict[int, list[Record]] = defaultdict(list)
    for call in records:
        for record in call:
            expected[partition_of(record[0], client.partitions, client.partitions)].append(record)
    assert {p: some for p, some in client.log.items() if some} == dict(expected)


def test_it_returns_when_everything_is_acknowledged_and_not_before() -> None:
    async def run() -> None:
        client = SlowClient()
        publisher = Publisher(SimpleNamespace(client=client))
        task = asyncio.create_task(publisher.publish("t", [(b"a", b"1"), (b"b", None)]))
        for _ in range(50):
            await asyncio.sleep(0)
        assert client.waiting
        assert not task.done()
        client.acknowledge()
        await task

    asyncio.run(run())


class LeaderlessClient(SlowClient):
    """Refuses every batch, at once or when it should be acknowledged."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Any:
        if not self.late:
            raise KafkaTimeoutError
        future = await super().send_batch(batch, topic, partition=partition)
        future.set_exception(NotLeaderForPartitionError())
        return future


@pytest.mark.parametrize("late", [False, True])
def test_a_broker_that_refuses_is_an_error_with_the_topic(late: bool) -> None:
    with pytest.raises(BrokerUnavailable, match="could not write to t: "):
        asyncio.run(publish(LeaderlessClient(late=late), [(b"a", b"1")]))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16])
def test_descriptions_and_reviews_share_no_partition_where_there_are_two(count: int) -> None:
    descriptions, reviews = _first_quarter(count), _the_rest(count)
    assert descriptions
    assert reviews
    if count > 1:
        assert [*descriptions, *reviews] == list(range(count))
    client = SlowClient(count)
    records: list[Record] = [(bytes([n]), b"") for n in range(200)]
    asyncio.run(publish(client, records, within=_first_quarter))
    assert set(client.log) == set(descriptions)
