"""`streamer rescore` brings boards to what items are worth as of the last event."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamer.settings import Settings
from streamer.state.boards import Boards, Filing
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.topology import NEW_ITEMS
from streamer.window import open_window
from tests.support.logs import write
from tests.support.processes import call, handled, own_group, running, until
from tests.support.shop import START, listing

ITEM = "mug/red"
AN_HOUR = 3600.0


async def scores(settings: Settings) -> dict[str, float]:
    async with connected(settings) as client:
        boards = Boards(client, Keys(settings.group, settings.shards))
        return dict(await boards.candidates("all", 9))


def test_what_a_worker_has_filed_by_its_own_clock_gives_way(
    broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    settings = own_group(broker_address, redis_url)

    async def listed() -> float:
        await write(settings, NEW_ITEMS.name, [listing(ITEM)])
        async with open_window(settings) as window:
            await handled(window, 1)

        async def so() -> bool:
            return bool(await scores(settings))

        await until(so, "the item on its boards")
        return (await scores(settings))[ITEM]

    async def file_an_hour_later(score: float) -> None:
        async with connected(settings) as client:
            boards = Boards(client, Keys(settings.group, settings.shards))
            await boards.file({"all": [Filing(ITEM, 1.0, START + AN_HOUR, score)]})
        assert await scores(settings) == {ITEM: score}

    with running(settings, tmp_path, "worker"):
        worth = asyncio.run(listed())
    asyncio.run(file_an_hour_later(worth / 2))
    assert call(settings, tmp_path, "rescore").returncode == 0
    assert asyncio.run(scores(settings)) == pytest.approx({ITEM: worth}, rel=1e-3)
