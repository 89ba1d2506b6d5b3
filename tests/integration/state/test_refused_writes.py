"""A Redis that answers and refuses is waited for like one that is away, and nothing is half done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from streamer.embedded import valkey
from streamer.events import Behaviour, NewItem
from streamer.patience import patiently
from streamer.settings import Settings
from streamer.state.batch import Range
from streamer.state.birth import ENCODED
from streamer.state.boards import Boards, Filing
from streamer.state.connection import connected
from tests.integration.state.test_exactly_once import CATALOGUE, ENCODINGS, assert_state
from tests.support import reference
from tests.support.histories import START, Worker, begin, encoded_by, fresh_store, texts_of
from tests.support.processes import until

NAMES = [f"item-{number}" for number in range(20)]
ITEMS = [NewItem(item_id=name, time=START, title="Scarf", brand="b") for name in NAMES]
BOUGHT = [
    Behaviour(item_id=name, type="purchase", time=START, user_id=f"u{number}", channel="web")
    for number, name in enumerate(NAMES)
]
Call = Callable[[], Awaitable[object]]
Refusal = Callable[[Redis], AbstractAsyncContextManager[None]]


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    child, url = valkey(tmp_path_factory.mktemp("valkey"))
    yield url
    child.stop()


@asynccontextmanager
async def configured(client: Redis, name: str, value: str) -> AsyncIterator[None]:
    before = (await client.config_get(name))[name]
    await client.config_set(name, value)
    try:
        yield
    finally:
        await client.config_set(name, before)


def full(client: Redis) -> AbstractAsyncContextManager[None]:
    return configured(client, "maxmemory", "1")


def alone(client: Redis) -> AbstractAsyncContextManager[None]:
    return configured(client, "min-replicas-to-write", "1")


@asynccontextmanager
async def unable_to_save(client: Redis) -> AsyncIterator[None]:
    """A folder stands where the snapshot is to be."""
    where = await client.config_get("dir", "dbfilename")
    snapshot = Path(where["dir"], where["dbfilename"])
    async with configured(client, "save", "3600 1"):
        snapshot.unlink(missing_ok=True)
        snapshot.mkdir()
        await saved(client, "err")
        try:
            yield
        finally:
            snapshot.rmdir()
            await saved(client, "ok")


async def saved(client: Redis, outcome: str) -> None:
    async def so() -> bool:
        told = await client.info("persistence")
        return not told["rdb_bgsave_in_progress"] and told["rdb_last_bgsave_status"] == outcome

    await client.bgsave()
    await until(so, f"the snapshot is {outcome}")


@asynccontextmanager
async def busy(client: Redis) -> AsyncIterator[None]:
    """Somebody else's script runs until it is killed."""
    async with configured(client, "busy-reply-threshold", "50"), client.client() as other:
        endless = asyncio.create_task(other.eval("while true do end", 0))
        try:
            await asyncio.sleep(0.2)
            yield
        finally:
            await client.script_kill()
            with pytest.raises(ResponseError, match="killed"):
                await endless


def retries() -> float:
    return REGISTRY.get_sample_value("streamer_redis_retries_total") or 0.0


async def waited_for(refusing: AbstractAsyncContextManager[None], call: Call) -> None:
    """Makes a call while it is refused, which must be tried again until it isn't."""
    async with refusing:
        before = retries()
        calling = asyncio.create_task(patiently(call))

        async def enough() -> bool:
            return calling.done() or retries() >= before + 2

        await until(enough, "a refused call is tried again")
        assert not calling.done(), f"it was not waited for: {calling}"
    await calling


@pytest.mark.parametrize("refusal", [full, alone, unable_to_save, busy])
def test_what_was_refused_is_applied_once_and_whole(own_redis: str, refusal: Refusal) -> None:
    async def run() -> None:
        async with connected(Settings(redis=own_redis)) as client:
            assert isinstance(client, Redis)
            store = fresh_store(client)
            worker, boards = Worker(store), Boards(client, store.keys)
            again = Range.holding("log", 0, behaviour=BOUGHT)
            texts = texts_of(Range.holding(CATALOGUE, 0, catalogue=ITEMS))
            read = [encoded_by("encoder", text, 8) for text in texts]
            calls: list[Call] = [
                lambda: begin(store, {("log", 0): 40, (CATALOGUE, 0): 20}),
                lambda: begin(store, {(ENCODINGS, 0): 20}, ENCODED),
                lambda: worker.catalogue(CATALOGUE, 0, 0, ITEMS),
                lambda: worker.apply([again], kin=False),
                lambda: worker.behaviour("log", 0, 0, 2 * BOUGHT),
                lambda: worker.encodings(ENCODINGS, 0, 0, read),
                lambda: boards.file({"all": [Filing(name, 1.0, START, 0.5) for name in NAMES]}),
                lambda: boards.mark_published("all", 1),
            ]
            for call in calls:
                await waited_for(refusal(client), call)
            await assert_state(store, reference.shop(ITEMS, 2 * BOUGHT, read, log=CATALOGUE))
            assert await boards.size("all") == len(NAMES)

    asyncio.run(run())


def test_scripts_may_be_forgotten_as_often_as_one_likes(
    own_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by SCRIPT FLUSH right behind each of ten loads, or where fail-over follows fail-over."""

    async def run() -> None:
        async with connected(Settings(redis=own_redis)) as client:
            load, left = client.script_load, iter(range(10))

            async def load_in_vain(text: str) -> None:
                await load(text)
                if next(left, None) is not None:
                    await client.script_flush()

            monkeypatch.setattr(client, "script_load", load_in_vain)
            store = fresh_store(client)
            boards = Boards(client, store.keys)
            await begin(store, {(CATALOGUE, 0): 20})
            await client.script_flush()
            await patiently(lambda: Worker(store).catalogue(CATALOGUE, 0, 0, ITEMS))
            assert next(left, None) is None
            await assert_state(store, reference.shop(ITEMS, [], [], log=CATALOGUE))
            left = iter(range(3))
            await client.script_flush()
            await patiently(lambda: boards.file({"all": [Filing(NAMES[0], 1.0, START, 0.5)]}))
            assert next(left, None) is None
            assert await boards.size("all") == 1

    asyncio.run(run())
