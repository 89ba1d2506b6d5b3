"""On a real cluster of three nodes everything is as on one server: no call touches two slots."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import redis

from streamer.embedded import free_port
from streamer.errors import RedisUnavailable, StoreEmpty
from streamer.events import REVIEW_DIMENSIONS, Behaviour, Encoding, LaunchRank, NewItem
from streamer.patience import TRANSIENT
from streamer.settings import Settings
from streamer.state.birth import ENCODED, Extent, open_logs
from streamer.state.boards import Boards, Decision, Filing
from streamer.state.connection import Client, connected
from streamer.state.reading import read_items
from streamer.state.table import ItemTable
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from streamer.window import open_window
from tests.integration.state.test_exactly_once import CATALOGUE, assert_state, play
from tests.support import reference
from tests.support.cluster import cluster, half_moved
from tests.support.histories import START, Worker, begin, fresh_store
from tests.support.logs import write
from tests.support.processes import call, handled, own_group, running, said, until
from tests.support.shop import ITEMS, listing, purchase

T = TypeVar("T")
SHARDS = 16
NAMES = [f"item-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    with cluster(tmp_path_factory.mktemp("cluster")) as urls:
        yield urls


@pytest.fixture(autouse=True)
def _without_scripts(nodes: list[str]) -> None:
    """As after a fail-over, no node knows a script."""
    for url in nodes:
        with redis.Redis.from_url(url) as client:
            client.script_flush()


def on_cluster(nodes: list[str], work: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with connected(Settings(redis=nodes[0], redis_cluster=True)) as client:
            return await work(client)

    return asyncio.run(run())


def acts(rng: random.Random, count: int) -> list[Behaviour]:
    return [
        Behaviour(
            item_id=rng.choice(NAMES),
            type=rng.choice(["view", "cart", "purchase"]),
            time=START + rng.randrange(10**6),
            user_id=f"user-{rng.randrange(20)}",
            channel=rng.choice(["web", "app"]),
            value=1.5,
        )
        for _ in range(count)
    ]


def test_a_history_gives_the_reference_state(nodes: list[str]) -> None:
    rng = random.Random(7)
    items = [
        NewItem(item_id=name, time=START, brand=f"b{n % 7}", category=[f"c{n % 5}", "x"])
        for n, name in enumerate(NAMES)
    ]
    behaviour = [acts(rng, 300), acts(rng, 300)]

    async def work(client: Client) -> None:
        store = fresh_store(client, SHARDS)
        came = await play(store, items, behaviour, rng)
        events = [event for log in behaviour for event in log]
        await assert_state(store, reference.shop(items, events, came, log=CATALOGUE))

    on_cluster(nodes, work)
    for url in nodes:
        with redis.Redis.from_url(url) as client:
            assert client.dbsize() > 0


@pytest.mark.parametrize("first", [":u:", ":k:", ":log", ":i:"])
def test_while_a_slot_is_moved_nothing_is_applied_and_behind_that_once(
    nodes: list[str], first: str
) -> None:
    items = [NewItem(item_id=name, time=START, brand="b") for name in NAMES[:3]]
    bought = [
        Behaviour(item_id=name, type="purchase", time=START, user_id="user", channel="web")
        for name in NAMES[:3]
    ]

    async def work(client: Client) -> None:
        store = fresh_store(client, shards=1)
        await begin(store, {("log", 0): 6, (CATALOGUE, 0): 3})
        worker = Worker(store)
        await worker.catalogue(CATALOGUE, 0, 0, items)
        await worker.behaviour("log", 0, 0, bought)
        slot = int(await client.cluster_keyslot(store.keys.logs[0]))
        half = half_moved(nodes, slot, lambda key: first in key)
        with half, pytest.raises(TRANSIENT, match="non local key"):
            await worker.behaviour("log", 0, 3, bought)
        await worker.behaviour("log", 0, 3, bought)
        await assert_state(store, reference.shop(items, 2 * bought, [], log=CATALOGUE))

    on_cluster(nodes, work)


def test_encodings_are_applied_and_items_read_and_forgotten(nodes: list[str]) -> None:
    review = Encoding(
        item_id="",
        kind="review",
        text_id="r",
        fingerprint="f",
        vector=np.ones(REVIEW_DIMENSIONS, "<i2").tobytes(),
        sentiment=0.5,
        time=START,
    )

    async def work(client: Client) -> None:
        store = fresh_store(client, SHARDS)
        worker = Worker(store)
        await begin(store, {("log", 0): len(NAMES)})
        await begin(store, {("encodings", 0): len(NAMES)}, ENCODED)
        seen = [Behaviour(item_id=name, type="view", time=START) for name in NAMES]
        await worker.behaviour("log", 0, 0, seen)
        texts = [Encoding(**{**_fields(review), "item_id": name}) for name in NAMES]
        await worker.encodings("encodings", 0, 0, texts)
        found = await read_items(store, NAMES, ItemTable(2**20))
        assert found.ids == NAMES
        assert all(known.reviews is not None for known in found.known)
        for shard in range(SHARDS):
            ids = await store.known_ids(shard, "", 100)
            etags = found.at([NAMES.index(name) for name in ids]).etags
            assert sorted(await store.forget(shard, ids, etags.tobytes())) == ids
        assert len(await read_items(store, NAMES, ItemTable(2**20))) == 0

    on_cluster(nodes, work)


def _fields(encoding: Encoding) -> dict[str, object]:
    return {name: getattr(encoding, name) for name in encoding.__struct_fields__}


def test_boards_are_filed_on_decided_and_cleared(nodes: list[str]) -> None:
    names = [f"board {number}" for number in range(12)]

    async def work(client: Client) -> None:
        boards = Boards(client, fresh_store(client, SHARDS).keys)
        some = [Filing(name, 1.0, START, n / 100) for n, name in enumerate(NAMES)]
        await boards.file(dict.fromkeys(names, some))
        assert await boards.names() == sorted(names)
        for name in names:
            decision, other = (_decision(name, time) for time in (START, START + 1))
            assert await boards.decide(name, None, decision)
            assert await boards.decide(name, None, decision), "a repeated call"
            assert not await boards.decide(name, None, other)
            assert await boards.decision(name) == (decision, False)
            assert (await boards.candidates(name, 1))[0][0] == NAMES[-1]
        await boards.forget(names, NAMES)
        assert [await boards.size(name) for name in names] == [0] * len(names)

    on_cluster(nodes, work)


def _decision(board: str, time: float) -> Decision:
    message = LaunchRank(board=board, sequence=4, snapshot=True, changes=[], time=time)
    return Decision(4, time, [], message)


def test_an_emptied_cluster_behind_a_running_group_is_refused(nodes: list[str]) -> None:
    async def work(client: Client) -> None:
        store = fresh_store(client, SHARDS)
        with pytest.raises(StoreEmpty):
            await open_logs(store, [Extent("log", 0, "log", 5, 0, 9)])

    on_cluster(nodes, work)


def test_a_cluster_without_a_node_is_told_as_a_server_that_is_away() -> None:
    with pytest.raises(RedisUnavailable, match="does not answer"):
        on_cluster([f"redis://127.0.0.1:{free_port()}/0"], lambda client: client.ping())


def test_a_worker_and_the_commands_run_on_a_cluster(
    nodes: list[str], broker_address: str, tmp_path: Path
) -> None:
    settings = own_group(
        broker_address, nodes[1], redis_cluster=True, sweep_interval_seconds=1.0, shards=SHARDS
    )
    bought = [purchase(item_id, n) for n, item_id in enumerate(ITEMS)]

    async def scenario() -> None:
        await write(settings, NEW_ITEMS.name, [listing(item_id) for item_id in ITEMS])
        await write(settings, USER_BEHAVIOUR.name, bought)
        async with open_window(settings) as window:
            await handled(window, len(ITEMS) + len(bought))

            async def decided() -> bool:
                board = await window.board("all")
                return board is not None and len(board.lines) == len(ITEMS)

            await until(decided, "the board decided")

    with running(settings, tmp_path, "worker"):
        asyncio.run(scenario())
        assert said(settings, tmp_path, "item", ITEMS[0], "--json")["totals"]["purchase"] == 1
    done = call(settings, tmp_path, "rescore")
    assert done.returncode == 0, done.stderr
