"""Faults at random moments while real sales flow: in the end all state and what readers have are as
after a quiet run."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from streamer.broker import administrator, create_topics, describe
from streamer.errors import BrokerUnavailable
from streamer.replay.record import TimedRecord
from streamer.replay.sources.complete_journey import CompleteJourney
from streamer.settings import Settings
from streamer.topology import USER_BEHAVIOUR
from streamer.window import open_window
from tests.faults import results
from tests.faults.asked import asked
from tests.faults.chaos import feed, go_through, group, items, quiet, settled_differences, through
from tests.faults.fleet import Fleet, come_and_go, hold_up, kill_one
from tests.faults.servers import Kafka, Redis
from tests.support.processes import call, own_group, until, wait_until

pytestmark = pytest.mark.faults

DAY = 92


@pytest.fixture(scope="module")
def sales() -> list[TimedRecord]:
    return list(islice(CompleteJourney(DAY, 700), asked.events))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_are_killed(
    address: str, redis_url: str, tmp_path: Path, sales: list[TimedRecord], workers: int
) -> None:
    settings = group(address, redis_url)
    go_through(settings, redis_url, tmp_path, sales, workers, [kill_one] * asked.rounds)


def test_workers_come_and_go(
    address: str, redis_url: str, tmp_path: Path, sales: list[TimedRecord]
) -> None:
    settings = group(address, redis_url)
    go_through(settings, redis_url, tmp_path, sales, 2, [come_and_go] * asked.rounds)


def test_a_worker_wakes_up_after_it_was_given_up(
    address: str, redis_url: str, tmp_path: Path, sales: list[TimedRecord]
) -> None:
    settings = group(address, redis_url)
    go_through(settings, redis_url, tmp_path, sales, 2, [hold_up] * asked.rounds)


@pytest.mark.parametrize("lose_seconds", [0.0, 1.0], ids=["whole", "last second lost"])
def test_redis_is_killed_and_comes_back(
    address: str,
    redis_url: str,
    tmp_path: Path,
    sales: list[TimedRecord],
    lose_seconds: float,
) -> None:
    redis = Redis(tmp_path / "redis")
    lost = []

    async def restart(fleet: Fleet) -> None:
        lost.append(await redis.restart(fleet.rng.uniform(0.5, 3), lose_seconds))

    try:
        settings = group(address, redis.url)
        go_through(settings, redis_url, tmp_path, sales, 2, [restart] * asked.rounds)
        assert not lose_seconds or any(lost)
    finally:
        redis.child.stop()


def test_the_broker_is_killed_and_comes_back(
    kafka: Kafka, redis_url: str, tmp_path: Path, sales: list[TimedRecord]
) -> None:
    async def restart(fleet: Fleet) -> None:
        kafka.child.kill()
        await fleet.live(fleet.rng.uniform(1, 5))
        kafka.child.start()
        await asyncio.to_thread(kafka.wait)

    settings = group(kafka.address, redis_url)
    go_through(settings, redis_url, tmp_path, sales, 2, [restart] * asked.rounds)


def test_a_worker_that_may_not_join_ends(kafka: Kafka, redis_url: str, tmp_path: Path) -> None:
    """It would idle for ever otherwise."""
    settings = own_group(kafka.address, redis_url, session_timeout_seconds=0.5)
    done = call(settings, tmp_path, "worker")
    assert done.returncode == BrokerUnavailable.exit_code
    assert "InvalidSessionTimeout" in done.stderr.splitlines()[-1]


def test_the_input_topic_is_deleted_and_made_again(
    address: str, redis_url: str, tmp_path: Path, sales: list[TimedRecord]
) -> None:
    """What was counted stays, what comes is counted behind it. The new topic stays shorter than the
    old one was: the embedded broker lets a reader go on in it where it stood."""
    half = len(sales) // 2
    rest = sales[half : half + half // 2]
    before, behind = sales[:half], [r for r in rest if r.topic is USER_BEHAVIOUR]
    settings = group(address, redis_url)

    async def scenario() -> None:
        fleet = Fleet(settings, tmp_path, 2, asked.seed)
        try:
            await through(fleet, before, [])
            await asyncio.to_thread(_make_again, settings)
            await through(fleet, behind, [])
            await until(lambda: _has_counted(settings, half + len(behind)), "all counted")
        finally:
            await fleet.stop()
        whole = group(settings.broker, redis_url)
        await feed(whole, [*before, *behind], 0.0)
        other = await quiet(whole, redis_url, tmp_path)
        found = await settled_differences(other, settings, items)
        results.add("faults.differences", len(found), "differences")
        assert not found, "\n".join(found[:50])

    asyncio.run(scenario())


def _make_again(settings: Settings) -> None:
    name = settings.topic(USER_BEHAVIOUR.name)
    with administrator(settings.broker) as admin:
        admin.delete_topics([name])
    wait_until(lambda: not describe(settings.broker, [name])[name].exists, "topic gone")
    wait_until(lambda: name in create_topics(settings), "topic made again")


async def _has_counted(settings: Settings, events: int) -> bool:
    async with open_window(settings) as window:
        return sum((await window.tally()).values(), Counter())["applied"] == events
