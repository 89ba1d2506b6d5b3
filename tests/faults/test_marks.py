"""Transactions of a shop: their marks, which hold no event, and what they gave up."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streamer.records import everything
from streamer.settings import Settings
from streamer.topology import USER_BEHAVIOUR
from streamer.window import open_window
from tests.faults.servers import Kafka
from tests.support.processes import handled, metric, own_group, running, wait_until
from tests.support.shop import purchase

pytestmark = pytest.mark.faults

STALL_SECONDS = 3.0
TRANSACTIONS = 3


async def sell(settings: Settings) -> None:
    """One sale in a transaction of its own, behind which a mark ends the log."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, transactional_id="shop")
    await producer.start()
    try:
        async with producer.transaction():
            key, value = purchase("item")
            await producer.send(settings.topic(USER_BEHAVIOUR.name), value, key, partition=0)
    finally:
        await producer.stop()


def read_to(port: int, topic: str, end: int) -> None:
    """Waits until the worker is there."""
    position = partial(metric, [port], "streamer_position_offset", topic=topic)
    wait_until(lambda: position() == end, f"read to {end}")


def test_a_mark_is_no_event_that_waits(kafka: Kafka, redis_url: str, tmp_path: Path) -> None:
    """The broker counts it among what a log holds, and a worker has read past it; nor does it look
    as if Redis had lost something."""
    settings = own_group(
        kafka.address,
        redis_url,
        session_timeout_seconds=6.0,
        stall_timeout_seconds=STALL_SECONDS,
        idle_check_seconds=1.0,
    )
    topic = settings.topic(USER_BEHAVIOUR.name)
    with running(settings, tmp_path, "worker") as (worker,):
        for transaction in range(1, TRANSACTIONS + 1):
            asyncio.run(sell(settings))
            read_to(worker.port, topic, 2 * transaction)
            asyncio.run(asyncio.sleep(3 * STALL_SECONDS))
            assert metric([worker.port], "streamer_lag_records") == 0
        assert worker.child.alive
        assert metric([worker.port], "streamer_stalls_total") == 0
        assert metric([worker.port], "streamer_rewinds_total") == 0


def test_what_a_transaction_gave_up_is_not_counted(
    kafka: Kafka, redis_url: str, tmp_path: Path
) -> None:
    """While it is open, for however long, nothing behind it is, and nothing is said to wait."""
    settings = own_group(
        kafka.address, redis_url, session_timeout_seconds=6.0, stall_timeout_seconds=STALL_SECONDS
    )
    topic = settings.topic(USER_BEHAVIOUR.name)

    async def scenario() -> int:
        shop, other = (
            AIOKafkaProducer(bootstrap_servers=settings.broker, **options)
            for options in ({"transactional_id": "giving up"}, {})
        )
        await shop.start()
        await other.start()
        try:
            await shop.begin_transaction()
            for producer in (shop, other):
                key, value = purchase("item")
                await (await producer.send(topic, value, key, partition=0))
            await asyncio.sleep(3 * STALL_SECONDS)
            assert not await asyncio.to_thread(lambda: list(everything(settings.broker, topic)))
            async with open_window(settings) as window:
                assert not await window.item("item")
                await shop.abort_transaction()
                await handled(window, 1)
                found = await window.item("item")
                assert found is not None
                return int(found["totals"]["purchase"])
        finally:
            await shop.stop()
            await other.stop()

    with running(settings, tmp_path, "worker") as (worker,):
        assert asyncio.run(scenario()) == 1
        assert worker.child.alive
        assert metric([worker.port], "streamer_stalls_total") == 0


def test_what_is_read_to_the_end_of_a_log_ends_at_a_mark(kafka: Kafka, redis_url: str) -> None:
    settings = own_group(kafka.address, redis_url)
    for _ in range(TRANSACTIONS):
        asyncio.run(sell(settings))
    assert (
        len(list(everything(settings.broker, settings.topic(USER_BEHAVIOUR.name)))) == TRANSACTIONS
    )
