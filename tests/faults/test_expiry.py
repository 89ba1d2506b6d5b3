"""A crash while an item expires: its readers are told all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamer.settings import Settings
from streamer.topology import ITEM_SCORES, NEW_ITEMS
from tests.faults.crash import Crash, Run
from tests.faults.story import tell
from tests.support.logs import read
from tests.support.processes import own_group, until
from tests.support.shop import START, listing
from tests.support.snapshot import snapshot

pytestmark = pytest.mark.faults

DAY = 86400.0


@pytest.mark.parametrize("point", ["forgetting", "forgotten"])
def test_a_tombstone_outlives_a_crash(
    broker_address: str, redis_url: str, tmp_path: Path, point: str
) -> None:
    settings = own_group(broker_address, redis_url, sweep_interval_seconds=1.0)
    later = START + (settings.item_retention_days + 1) * DAY

    async def scenario() -> None:
        await tell(settings, {NEW_ITEMS.name: [listing("old"), listing("new", time=later)]})
        run = Run(settings, tmp_path, Crash(point, 1))

        async def over() -> bool:
            await run.until_done()
            return run.died and await _is_gone(settings, b"old")

        try:
            await until(over, "the tombstone")
        finally:
            await run.stop()
        left = str(await snapshot(settings))
        assert "'new'" in left
        assert "'old'" not in left

    asyncio.run(scenario())


async def _is_gone(settings: Settings, key: bytes) -> bool:
    """Whether nothing of the item is in the state and its readers have been told so."""
    told = [record.value for record in await read(settings, ITEM_SCORES.name) if record.key == key]
    kept = any(name.endswith(f":i:{key.decode()}") for name in await snapshot(settings))
    return told[-1:] == [None] and not kept
