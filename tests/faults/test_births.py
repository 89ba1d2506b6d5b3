"""Workers that start at once on an empty Redis make one store, whichever of them dies of it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from streamer.broker import describe, log_ends
from streamer.replay.record import TimedRecord
from streamer.replay.sources.complete_journey import CompleteJourney
from streamer.settings import Settings
from streamer.state.birth import SCHEMAS
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.topology import ENCODINGS, NEW_ITEMS, USER_BEHAVIOUR
from tests.faults import results
from tests.faults.asked import asked
from tests.faults.chaos import feed, group, items, quiet, settled_differences
from tests.faults.fleet import Fleet
from tests.support.snapshot import Snapshot, differences, snapshot

pytestmark = pytest.mark.faults

DAY, SALES, HALF = 92, 4000, 2000
WORKERS = 3
APPLIED = (NEW_ITEMS, USER_BEHAVIOUR, ENCODINGS)
WHOEVER_IS_FIRST = ("born",) * WORKERS

Offsets = dict[tuple[str, int], int]
"""By topic and partition."""


@pytest.fixture(scope="module")
def sales() -> list[TimedRecord]:
    return list(islice(CompleteJourney(DAY, 700), SALES))


def test_a_new_group_has_one_store(
    broker_address: str, redis_url: str, tmp_path: Path, sales: list[TimedRecord]
) -> None:
    settings = group(broker_address, redis_url)

    async def scenario() -> None:
        await feed(settings, sales, 0.0)
        await all_read(settings, tmp_path, "worker", WHOEVER_IS_FIRST)
        assert await birth(settings) == expected_birth(settings, "stop")
        other = await quiet(settings, redis_url, tmp_path)
        assert_alike(await settled_differences(other, settings))

    asyncio.run(scenario())


def test_a_store_that_is_rebuilt_is_one(
    broker_address: str, redis_url: str, tmp_path: Path, sales: list[TimedRecord]
) -> None:
    settings = group(broker_address, redis_url)

    async def scenario() -> None:
        await bereave(settings, tmp_path, sales)
        await all_read(settings, tmp_path, "worker --rebuild", WHOEVER_IS_FIRST)
        assert await birth(settings) == expected_birth(settings, "rebuild")
        other = await quiet(settings, redis_url, tmp_path)
        assert_alike(await settled_differences(other, settings, all_but_birth))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "failpoints", [WHOEVER_IS_FIRST, ("start-decided:2",), ("watermarks-begun:2",)]
)
def test_a_store_that_begins_now_is_one(
    broker_address: str,
    redis_url: str,
    tmp_path: Path,
    sales: list[TimedRecord],
    failpoints: tuple[str, ...],
) -> None:
    settings, later = group(broker_address, redis_url), group(broker_address, redis_url)

    async def scenario() -> None:
        committed = await bereave(settings, tmp_path, sales)
        await all_read(settings, tmp_path, "worker --from-now", failpoints)
        assert await birth(settings) == expected_birth(settings, "from-now", committed)
        await feed(later, sales[HALF:], 0.0)
        other = await quiet(later, redis_url, tmp_path)
        assert_alike(differences(items(await snapshot(other)), items(await snapshot(settings))))

    asyncio.run(scenario())


async def all_read(
    settings: Settings, folder: Path, command: str, failpoints: Sequence[str] = ()
) -> None:
    """Lets workers that start at once read all there is; those with a failpoint die of it if they
    come to it, and are replaced."""
    fleet = Fleet(settings, folder, WORKERS, asked.seed, command, failpoints=failpoints)
    try:
        await fleet.until_done()
    finally:
        await fleet.stop()
    assert set(fleet.ends) == ({-signal.SIGKILL} if failpoints else set())


async def bereave(settings: Settings, folder: Path, sales: Sequence[TimedRecord]) -> Offsets:
    """A group that has read half of the sales when Redis loses all of it, and the rest comes.
    Returns what it has committed."""
    await feed(settings, sales[:HALF], 0.0)
    await all_read(settings, folder, "worker")
    names = [settings.topic(topic.name) for topic in APPLIED]
    committed = await log_ends(
        settings.broker, [(name, p) for name in names for p in range(settings.partitions)]
    )
    async with connected(settings) as client:
        async for key in client.scan_iter(match=f"{{{settings.group}.*", count=1000):
            await client.delete(key)
    await feed(settings, sales[HALF:], 0.0)
    return committed


async def birth(settings: Settings) -> dict[str, str]:
    async with connected(settings) as client:
        record = await client.hgetall(Keys(settings.group, settings.shards).birth)
    return {field.decode(): value.decode() for field, value in record.items()}


def expected_birth(
    settings: Settings, if_empty: str, starts: Offsets | None = None
) -> dict[str, str]:
    """The whole record: how the store was born, and where each partition begins, 0 unless told."""
    found = describe(settings.broker, [settings.topic(topic.name) for topic in APPLIED])
    record = {"shards": str(settings.shards), "if_empty": if_empty}
    record |= {field: str(layout.schema) for field, layout in SCHEMAS.items()}
    for name, topic in found.items():
        record[f"met:{topic.log}"] = "1"
        for partition in range(settings.partitions):
            start = (starts or {}).get((name, partition), 0)
            record[f"start:{topic.log}:{partition}"] = str(start)
            record[f"begun:{topic.log}:{partition}"] = "1"
    return record


def all_but_birth(state: Snapshot) -> Snapshot:
    return {key: value for key, value in state.items() if not key.endswith(".birth}")}


def assert_alike(found: list[str]) -> None:
    results.add("faults.differences", len(found), "differences")
    assert not found, "\n".join(found[:50])
