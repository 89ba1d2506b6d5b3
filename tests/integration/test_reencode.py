"""Another encoder reads the catalogue while the first one goes on serving."""

from __future__ import annotations

import asyncio
from pathlib import Path

from streamer.encoding.weights import Weights
from streamer.settings import Settings
from streamer.state.connection import connected
from streamer.state.coverage import Coverage, coverage
from streamer.state.keys import Keys
from streamer.state.store import Store
from streamer.topology import NEW_ITEMS
from streamer.window import Window, open_window
from tests.support.bert import small_bert
from tests.support.logs import write
from tests.support.processes import call, handled, own_group, running, until, wait_until
from tests.support.shop import ITEMS, listing

BACKEND = "torch-cpu-fp32"


async def covered(settings: Settings, fingerprint: str) -> Coverage:
    async with connected(settings) as client:
        store = Store(client, Keys(settings.group, settings.shards), 0.0)
        return await coverage(store, fingerprint)


async def stock(settings: Settings, items: list[str], whole: int) -> None:
    async with open_window(settings) as window:
        await write(settings, NEW_ITEMS.name, [listing(item_id) for item_id in items])
        await handled(window, whole)

        async def described() -> bool:
            return all([await encoders(window, item_id) for item_id in items])

        await until(described, "every description is read")


async def encoders(window: Window, item_id: str) -> list[str]:
    shown = await window.item(item_id)
    return list(shown["encoders"]) if shown else []


async def read_by(settings: Settings, weights: Weights) -> set[str]:
    async with open_window(settings) as window:
        return {
            item_id
            for item_id in [*ITEMS, "late"]
            if weights.fingerprint in await encoders(window, item_id)
        }


def test_coverage_grows_to_the_whole_and_the_old_vectors_stay(
    broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    settings = own_group(broker_address, redis_url, encoder_backend="torch-cpu-bf16-1x")
    weights = small_bert(tmp_path / "other")
    again = settings.model_copy(update={"encoder": str(weights.folder), "encoder_backend": BACKEND})
    with running(settings, tmp_path, "worker", "encoder"):
        asyncio.run(stock(settings, ITEMS, len(ITEMS)))
        before = asyncio.run(covered(settings, weights.fingerprint))
        assert (before.described, before.read, before.share) == (len(ITEMS), 0, 0.0)

        assert "has read 7 of 7 described items: coverage 100.0%" in reencode(again, tmp_path)

        async def whole() -> bool:
            return await read_by(settings, weights) == set(ITEMS)

        asyncio.run(until(whole, "the other encoder has read all"))
        assert asyncio.run(covered(settings, weights.fingerprint)).share == 1.0

        asyncio.run(stock(settings, ["late"], len(ITEMS) + 1))
        assert asyncio.run(covered(settings, weights.fingerprint)).read == len(ITEMS)
        assert "has read 8 of 8" in reencode(again, tmp_path)

        async def both() -> bool:
            async with open_window(settings) as window:
                found = [await encoders(window, item_id) for item_id in [*ITEMS, "late"]]
            return all(len(each) == 2 for each in found)

        asyncio.run(until(both, "the late item too"))

        with running(again, tmp_path / "background", "reencode --every 1", ready=False):
            (log,) = (tmp_path / "background").glob("reencode*.log")
            told = "has read 8 of 8 described items: coverage 100.0%"
            wait_until(lambda: log.read_text().count(told) > 1, "each look is told")


def reencode(settings: Settings, folder: Path) -> str:
    done = call(settings, folder, "reencode")
    assert done.returncode == 0, done.stderr
    return done.stdout
