"""Redis loses its last writes under a running worker: what was lost is counted again, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from streamer.errors import StateError
from streamer.events import Encoding
from streamer.settings import Settings
from streamer.topology import ENCODINGS, LAUNCH_RANK, NEW_ITEMS, USER_BEHAVIOUR
from streamer.window import Window, open_window
from streamer.wire import pack
from tests.support.forgetful import Forgetful, forgetful
from tests.support.logs import read, write
from tests.support.processes import handled, metric, own_group, running, until, wait_until
from tests.support.shop import START, listing, purchase

ITEM = "mug/red"
BOUGHT = 30
DESCRIPTION = (
    ITEM.encode(),
    pack(
        Encoding(
            item_id=ITEM,
            kind="description",
            text_id="text",
            fingerprint="test-encoder",
            vector=bytes(8),
            time=START,
        )
    ),
)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Forgetful]:
    with forgetful(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def settings(broker_address: str, redis: Forgetful) -> Settings:
    return own_group(broker_address, redis.url, idle_check_seconds=0.3, commit_interval_seconds=0.2)


async def stock(settings: Settings, redis: Forgetful) -> dict[str, Any]:
    """An item with purchases, all handled to the end; the purchases are what Redis can lose.
    Returns the item as it is then."""
    await write(settings, NEW_ITEMS.name, [listing(ITEM)])
    async with open_window(settings) as window:
        await handled(window, 1)
        redis.mark()
        await write(settings, USER_BEHAVIOUR.name, [purchase(ITEM, n) for n in range(BOUGHT)])
        await handled(window, 1 + BOUGHT)
        found = await window.item(ITEM)
    assert found is not None
    return found


async def counted_again(settings: Settings) -> dict[str, Any]:
    async with open_window(settings) as window:
        await handled(window, 1 + BOUGHT)
        found = await window.item(ITEM)
    assert found is not None
    return found


def test_a_loss_is_found_although_no_event_comes(
    settings: Settings, redis: Forgetful, tmp_path: Path
) -> None:
    with running(settings, tmp_path, "worker") as (worker,):
        before = asyncio.run(stock(settings, redis))
        wait_until(lambda: not metric([worker.port], "streamer_lag_records"), "all is finished")
        redis.lose()
        after = asyncio.run(counted_again(settings))
        assert metric([worker.port], "streamer_rewinds_total") > 0
    assert before["totals"]["purchase"] == BOUGHT
    for name in ("totals", "amounts", "distinct", "version"):
        assert after[name] == before[name]


def test_an_encoding_that_was_lost_is_applied_again(
    settings: Settings, redis: Forgetful, tmp_path: Path
) -> None:
    """Its offset was committed long ago, and its text does not come again."""

    async def encoders() -> list[str]:
        async with open_window(settings) as window:

            async def there() -> bool:
                return bool((await encoded(window))["encoders"])

            async def encoded(window: Window) -> dict[str, Any]:
                return await window.item(ITEM) or {"encoders": []}

            await until(there, "the encoding counted")
            found: list[str] = (await encoded(window))["encoders"]
            return found

    async def scenario() -> None:
        await stock(settings, redis)
        redis.mark()
        await write(settings, ENCODINGS.name, [DESCRIPTION])
        assert await encoders() == ["test-encoder"]
        redis.lose()
        assert await encoders() == ["test-encoder"]

    with running(settings, tmp_path, "worker"):
        asyncio.run(scenario())


@pytest.mark.parametrize("dies", [False, True], ids=["worker lives", "worker dies too"])
def test_a_board_goes_on_where_its_readers_are(
    settings: Settings, redis: Forgetful, tmp_path: Path, *, dies: bool
) -> None:
    """Redis forgets decisions that were told; then other things happen."""

    async def listed(item_id: str) -> None:
        await write(settings, NEW_ITEMS.name, [listing(item_id)])

        async def told() -> bool:
            return item_id in reader(await read(settings, LAUNCH_RANK.name))

        await until(told, f"{item_id} told")

    async def before() -> None:
        await listed("first")
        redis.mark()
        await listed("second")
        await listed("third")

    async def after() -> None:
        await listed("fourth")
        assert reader(await read(settings, LAUNCH_RANK.name)) == {
            "first",
            "second",
            "third",
            "fourth",
        }

    with running(settings, tmp_path, "worker") as (worker,):
        asyncio.run(before())
        if dies:
            worker.child.kill()
        redis.lose()
        if not dies:
            asyncio.run(after())
    if dies:
        with running(settings, tmp_path, "worker"):
            asyncio.run(after())


def reader(records: Iterable[Any]) -> set[str]:
    """The items on the board `all` as a reader has them who keeps the highest sequence."""
    at, content, items = 0, b"", set()
    for record in records:
        if record.key != b"all":
            continue
        message = msgpack.unpackb(record.value)
        if message["sequence"] == at:
            assert record.value == content, f"{at} is told in two ways"
        assert message["sequence"] >= at, "the sequence goes back"
        if message["sequence"] > at:
            assert message["snapshot"] or message["sequence"] == at + 1
            at, content = message["sequence"], record.value
            items = set() if message["snapshot"] else items
            for change in message["changes"]:
                (items.discard if change["change"] == "left" else items.add)(change["item_id"])
    return items


def test_an_idle_worker_ends_when_its_redis_is_emptied(
    settings: Settings, redis: Forgetful, tmp_path: Path
) -> None:
    with running(settings, tmp_path, "worker") as (worker,):
        asyncio.run(stock(settings, redis))
        redis.empty()
        wait_until(lambda: not worker.child.alive, "the worker ended")
        assert worker.child.exit_code == StateError.exit_code
        assert "Redis has lost watermarks" in worker.child.log.read_text()
