"""A worker whose Redis takes no writes, as it has no memory left, waits and says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import redis

from streamer.embedded import valkey
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from streamer.window import open_window
from tests.support.logs import write
from tests.support.processes import handled, metric, own_group, running, said, wait_until
from tests.support.shop import ITEMS, listing, purchase


def test_a_worker_goes_on_when_writes_are_taken_again(broker_address: str, tmp_path: Path) -> None:
    child, url = valkey(tmp_path)
    with child, redis.Redis.from_url(url) as server:
        settings = own_group(broker_address, url)
        with running(settings, tmp_path, "worker") as (worker,):
            asyncio.run(listed(settings))
            server.config_set("maxmemory", 1)
            bought = [purchase(item_id) for item_id in ITEMS]
            asyncio.run(write(settings, USER_BEHAVIOUR.name, bought))
            wait_until(
                lambda: metric([worker.port], "streamer_redis_retries_total") >= 5, "it is refused"
            )
            assert "command not allowed when used memory" in worker.child.log.read_text()
            server.config_set("maxmemory", 0)
            asyncio.run(counted(settings, len(ITEMS) + len(bought)))
            assert worker.child.alive
        for item_id in ITEMS:
            assert said(settings, tmp_path, "item", item_id, "--json")["totals"]["purchase"] == 1


async def listed(settings: Settings) -> None:
    await write(settings, NEW_ITEMS.name, [listing(item_id) for item_id in ITEMS])
    await counted(settings, len(ITEMS))


async def counted(settings: Settings, records: int) -> None:
    async with open_window(settings) as window:
        await handled(window, records)
