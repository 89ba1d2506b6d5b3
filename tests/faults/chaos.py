"""A scenario of faults: records flow, workers suffer, and what is left is compared with a quiet run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from streamer.publish import Publisher
from streamer.replay.producing import producing
from streamer.replay.record import TimedRecord
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR, Topic
from streamer.window import open_window
from tests.faults import results
from tests.faults.asked import asked
from tests.faults.fleet import Fault, Fleet
from tests.support.processes import own_group
from tests.support.settling import settle
from tests.support.snapshot import Snapshot, differences, snapshot
from tests.support.told import told, versions

ROUND_SECONDS = 7.0, 11.0
PORTION = 250
LONGER_THAN_THE_SALES_DAYS = 1000.0
"""When an item expires depends on when the sweep comes by, which a quiet run does at other times."""


def group(address: str, redis_url: str) -> Settings:
    return own_group(
        address,
        redis_url,
        partitions=4,
        session_timeout_seconds=6.0,
        board_size=200,
        chunk_max_records=500,
        idle_check_seconds=1.0,
        sweep_interval_seconds=3600.0,
        item_retention_days=LONGER_THAN_THE_SALES_DAYS,
    )


async def feed(settings: Settings, records: Sequence[TimedRecord], seconds: float) -> None:
    """Writes the records over so many seconds."""
    portions = [records[n : n + PORTION] for n in range(0, len(records), PORTION)]
    async with producing(settings) as producer:
        publisher = Publisher(producer)
        for portion in portions:
            for topic in (NEW_ITEMS, USER_BEHAVIOUR):
                some = [(r.key, r.encoded()) for r in portion if r.topic is topic]
                if some:
                    await publisher.publish(settings.topic(topic.name), some)
            await asyncio.sleep(seconds / len(portions))


async def through(fleet: Fleet, records: Sequence[TimedRecord], faults: Sequence[Fault]) -> None:
    """Lets the records flow, and the faults happen one after the other meanwhile."""
    feeding = asyncio.create_task(
        feed(fleet.settings, records, len(faults) * sum(ROUND_SECONDS) / 2)
    )
    for fault in faults:
        await fleet.live(fleet.rng.uniform(*ROUND_SECONDS))
        await fault(fleet)
    await feeding
    await fleet.until_done()
    results.add("faults.rounds", len(faults), "faults")
    results.add("faults.events", len(records), "events")


async def quiet(settings: Settings, redis_url: str, folder: Path) -> Settings:
    """Another group has read the same topics, one worker and nothing in its way."""
    other = group(settings.broker, redis_url)
    return await read_as_well(other, settings, (NEW_ITEMS, USER_BEHAVIOUR), folder)


async def read_as_well(
    other: Settings, settings: Settings, topics: Sequence[Topic], folder: Path
) -> Settings:
    """The other group, when it has read these topics of the first one, too."""
    same = {topic.name: settings.topic(topic.name) for topic in topics}
    other = other.model_copy(update={"topic_names": {**other.topic_names, **same}})
    fleet = Fleet(other, folder / "quiet", 1, asked.seed)
    try:
        await fleet.until_done()
    finally:
        await fleet.stop()
    assert not fleet.ends
    return other


async def assert_as_in_peace(settings: Settings, redis_url: str, folder: Path, events: int) -> None:
    """Every event counted once, and when both have settled, all state and what readers have in the
    end as a quiet run leaves them; the last version of each item was told before that."""
    async with open_window(settings) as window:
        tally = sum((await window.tally()).values(), Counter())
    other = await quiet(settings, redis_url, folder)
    told_before = await versions(settings)
    found = await settled_differences(other, settings)
    found += differences(await versions(settings), told_before)
    results.add("faults.differences", len(found), "differences")
    assert tally == {"applied": events}
    assert not found, "\n".join(found[:50])


def items(state: Snapshot) -> Snapshot:
    """Records of items and their kin; the logs have other offsets."""
    return {key: value for key, value in state.items() if "}:i:" in key or "}:k:" in key}


async def settled_differences(
    expected: Settings, found: Settings, part: Callable[[Snapshot], Snapshot] = dict
) -> list[str]:
    """What differs between two groups when both have settled, in words: of all state or a part of
    it, and of what readers have in the end."""
    for each in (expected, found):
        await settle(each)
    return [
        *differences(part(await snapshot(expected)), part(await snapshot(found))),
        *differences(await told(expected), await told(found)),
    ]


def go_through(
    settings: Settings,
    redis_url: str,
    folder: Path,
    records: Sequence[TimedRecord],
    workers: int,
    faults: Sequence[Fault],
) -> None:
    async def scenario() -> None:
        fleet = Fleet(settings, folder, workers, asked.seed)
        try:
            await through(fleet, records, faults)
        finally:
            await fleet.stop()
        await assert_as_in_peace(settings, redis_url, folder, len(records))

    asyncio.run(scenario())
