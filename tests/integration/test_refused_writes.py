"""A Redis that takes no writes for a while, full or without its replicas, is waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis import Redis

from streamer.embedded import valkey
from streamer.topology import NEW_ITEMS
from streamer.window import open_window
from tests.support.logs import write
from tests.support.processes import handled, metric, own_group, running, wait_until
from tests.support.shop import listing


@pytest.mark.parametrize(
    ("setting", "refusing", "taking"),
    [("maxmemory", "100kb", "0"), ("min-replicas-to-write", "1", "0")],
)
def test_a_worker_goes_on_when_writes_are_taken_again(
    broker_address: str, tmp_path: Path, setting: str, refusing: str, taking: str
) -> None:
    child, url = valkey(tmp_path)
    settings = own_group(broker_address, url)

    async def applied(items: int) -> None:
        async with open_window(settings) as window:
            await handled(window, items)

    with child, running(settings, tmp_path, "worker") as (worker,), Redis.from_url(url) as redis:
        asyncio.run(write(settings, NEW_ITEMS.name, [listing("mug")]))
        asyncio.run(applied(1))
        pid = worker.child.pid
        redis.config_set(setting, refusing)
        asyncio.run(write(settings, NEW_ITEMS.name, [listing("cup")]))
        wait_until(lambda: metric([worker.port], "streamer_redis_retries_total") > 1, "refused")
        redis.config_set(setting, taking)
        asyncio.run(applied(2))
        assert worker.child.alive
        assert worker.child.pid == pid
