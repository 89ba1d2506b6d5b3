"""What is remembered of users, whatever becomes of the batch in which they did it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from redis.exceptions import ResponseError

from streamer.events import Behaviour
from streamer.settings import Settings
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.state.store import ItemsCall, Reply, Store
from tests.integration.state.test_exactly_once import assert_state
from tests.support import reference
from tests.support.histories import START, Worker, begin, fresh_store

HERE, THERE = 0, 1
LOG = "log"


class Dies(Exception):
    """A worker is no more."""


class HereAlone(Store):
    """The state for a worker that dies when it has written to one shard."""

    async def apply_items(self, calls: Sequence[ItemsCall]) -> list[Reply]:
        await super().apply_items([call for call in calls if call.shard == HERE])
        raise Dies


def name_in(keys: Keys, shard: int, names: Sequence[str]) -> str:
    return next(name for name in names if keys.shard[name] == shard)


def test_a_user_is_remembered_whose_shard_is_behind_that_of_the_item(redis_url: str) -> None:
    """Also where the user's shard must be tried again: an item there has changed meanwhile."""

    async def run() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client, shards=2)
            await begin(store, {(LOG, partition): 10 for partition in range(3)})
            worker, other = Worker(store), Worker(store)
            names = [f"name-{number}" for number in range(50)]
            ahead, behind = (name_in(store.keys, shard, names) for shard in (HERE, THERE))
            user = next(
                name
                for name in map("user-{}".format, itertools.count())
                if store.keys.shard[f"{worker.pseudonyms[name]:016x}"] == THERE
            )

            def click(item_id: str) -> Behaviour:
                return Behaviour(item_id=item_id, type="click", time=START, user_id=user)

            await worker.behaviour(LOG, 1, 0, [click(behind)])
            await other.behaviour(LOG, 2, 0, [click(behind)])
            dying = Worker(HereAlone(client, store.keys, 86400.0))
            with pytest.raises(Dies):
                await dying.behaviour(LOG, 0, 0, [click(ahead)])
            await worker.behaviour(LOG, 0, 0, [click(ahead), click(behind)])
            key = store.keys.of("u", f"{worker.pseudonyms[user]:016x}")
            remembered = await client.zrange(key, 0, -1)
            assert {item.decode() for item in remembered} == {ahead, behind}

    asyncio.run(run())


def test_a_retention_that_redis_refuses_counts_nothing_twice(redis_url: str) -> None:
    async def run() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client, shards=1)
            await begin(store, {(LOG, 0): 1})
            for_ever = Worker(Store(client, store.keys, 1e17))
            seen = [Behaviour(item_id="item", type="click", time=START, user_id="user")]
            with pytest.raises(ResponseError, match="expire"):
                await for_ever.behaviour(LOG, 0, 0, seen)
            await Worker(store).behaviour(LOG, 0, 0, seen)
            await assert_state(store, reference.shop([], seen))

    asyncio.run(run())
