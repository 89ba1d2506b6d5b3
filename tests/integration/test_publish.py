"""What a worker publishes of many events: each item's latest, no more often than was asked for, and
acknowledged before anything is committed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import pytest
from kafka import TopicPartition

from streamer.agents import behaviour, catalogue
from streamer.broker import administrator
from streamer.faust_app import StreamerApp
from streamer.flow import Flow
from streamer.publish import Publisher, Record
from streamer.settings import Settings
from streamer.topology import BOARD_CHANGES, ITEM_SCORES, LAUNCH_RANK, NEW_ITEMS, USER_BEHAVIOUR
from streamer.way import go
from streamer.window import open_window
from streamer.worker import Worker
from tests.support.logs import read, write
from tests.support.processes import handled, own_group, running, until
from tests.support.shop import START, listing, purchase

pytestmark = pytest.mark.filterwarnings("ignore::faust.exceptions.AlreadyConfiguredWarning")

EVENTS = 2000
HOUR = 3600.0


def sale(item_id: str, time: float) -> tuple[bytes, bytes]:
    return item_id.encode(), msgpack.packb({"item_id": item_id, "type": "purchase", "time": time})


async def scores(settings: Settings, item_id: str) -> list[dict[str, Any]]:
    found = await read(settings, ITEM_SCORES.name)
    return [msgpack.unpackb(r.value) for r in found if r.key == item_id.encode()]


@pytest.fixture(scope="module")
def quiet(
    broker_address: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A worker that tells a score when it moved a lot or an hour has passed, small batches."""
    settings = own_group(
        broker_address,
        redis_url,
        chunk_max_records=20,
        batch_max_records=20,
        score_min_change=0.9,
        score_max_interval_seconds=HOUR,
        rank_interval_seconds=1.0,
    )
    with running(settings, tmp_path_factory.mktemp("quiet"), "worker"):
        yield settings


def test_many_events_of_an_item_in_a_chunk_are_one_score(
    broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    async def scenario(settings: Settings) -> None:
        events = [sale("popular", START + n) for n in range(EVENTS)]
        await write(settings, USER_BEHAVIOUR.name, events)
        async with open_window(settings) as window:
            await handled(window, EVENTS)
        await until(lambda: _told(settings, "popular", EVENTS), "the last version told")
        versions = [score["version"] for score in await scores(settings, "popular")]
        assert versions == sorted(versions)
        assert len(versions) <= -(-EVENTS // settings.chunk_max_records) + 1

    settings = own_group(broker_address, redis_url, chunk_max_records=500)
    with running(settings, tmp_path, "worker"):
        asyncio.run(scenario(settings))


async def _told(settings: Settings, item_id: str, version: int) -> bool:
    return any(score["version"] == version for score in await scores(settings, item_id))


def test_a_score_is_told_once_an_interval_of_stream_time(quiet: Settings) -> None:
    hours = 10

    async def scenario() -> None:
        times = [START + n * HOUR / 40 for n in range(40 * hours)]
        await write(quiet, USER_BEHAVIOUR.name, [sale("throttled", time) for time in times])
        async with open_window(quiet) as window:
            await handled(window, len(times))
        await asyncio.sleep(1.0)
        told = await scores(quiet, "throttled")
        assert 2 <= len(told) <= hours + 1
        gaps = [b["time"] - a["time"] for a, b in pairwise(told)]
        assert all(gap >= HOUR for gap in gaps)

    asyncio.run(scenario())


def test_a_board_is_named_and_decided_once_an_interval(quiet: Settings) -> None:
    """However many of its items change meanwhile."""

    async def scenario() -> None:
        items = [listing(f"listed-{n}", time=START + n) for n in range(200)]
        for item in items:
            await write(quiet, NEW_ITEMS.name, [item])
        async with open_window(quiet) as window:

            async def complete() -> bool:
                board = await window.board("Clothing")
                return bool(board and len(board.lines) == quiet.board_size)

            await until(complete, "the board full")
        records = await read(quiet, BOARD_CHANGES.name)
        assert Counter(r.key for r in records).keys() == {b"all", b"Clothing"}
        for topic in (BOARD_CHANGES.name, LAUNCH_RANK.name):
            told = [r.timestamp for r in await read(quiet, topic) if r.key == b"Clothing"]
            gaps = [(b - a) / 1000 for a, b in pairwise(told)]
            assert len(told) < len(items) / 2
            assert all(gap > 0.8 * quiet.rank_interval_seconds for gap in gaps)

    asyncio.run(scenario())


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[Worker]:
    """A worker in this process, with the agents of the two inputs."""
    app = StreamerApp(settings.group, settings)
    worker = Worker(app, settings)
    app.start_offsets = worker.start_offsets
    flow = Flow(partial(go, worker), settings.batches_at_once, settings.batch_max_records, app.fail)
    for agent in (behaviour, catalogue):
        agent.register(app, flow)
    app.finalize()
    await app.maybe_start()
    running = [asyncio.create_task(loop()) for loop in (flow.run, worker.filer.run)]
    try:
        yield worker
    finally:
        for task in running:
            task.cancel()
        app.conf.stream_wait_empty = False
        await app.stop()
        await worker.close()


def committed(settings: Settings, topic: str) -> int:
    with administrator(settings.broker) as admin:
        found: Any = admin.list_group_offsets({settings.group: None}).get(settings.group) or {}
    place = TopicPartition(settings.topic(topic), 0)
    return max(0, getattr(found.get(place), "offset", 0))


@pytest.mark.parametrize("topic", [ITEM_SCORES.name, BOARD_CHANGES.name])
def test_nothing_is_committed_before_what_follows_from_it_is_acknowledged(
    broker_address: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    settings = own_group(broker_address, redis_url, commit_interval_seconds=0.1)
    gate, held = asyncio.Event(), asyncio.Event()
    publish = Publisher.publish

    async def behind_the_gate(
        self: Publisher, name: str, records: Iterable[Record], **more: Any
    ) -> None:
        if name == settings.topic(topic) and not gate.is_set():
            held.set()
            await gate.wait()
        await publish(self, name, records, **more)

    monkeypatch.setattr(Publisher, "publish", behind_the_gate)

    async def scenario() -> None:
        gate.set()
        async with working(settings):
            await write(settings, NEW_ITEMS.name, [listing("a")])
            await until(lambda: _committed(settings, NEW_ITEMS.name, 1), "the item done with")
            gate.clear()
            sales = [purchase("a", number) for number in range(7)]
            await write(settings, USER_BEHAVIOUR.name, sales)
            await held.wait()
            await asyncio.sleep(10 * settings.commit_interval_seconds)
            assert not await _committed(settings, USER_BEHAVIOUR.name, 1)
            gate.set()
            await until(lambda: _committed(settings, USER_BEHAVIOUR.name, 7), "all committed")

    asyncio.run(scenario())


async def _committed(settings: Settings, topic: str, offset: int) -> bool:
    return await asyncio.to_thread(committed, settings, topic) >= offset
