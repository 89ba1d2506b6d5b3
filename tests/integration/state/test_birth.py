"""A store remembers its birth, and is not taken for what it is not."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from streamer.errors import EventsExpired, StoreEmpty, StoreMismatch, WatermarkAhead
from streamer.settings import Settings
from streamer.state.birth import SCHEMAS, Extent, IfEmpty, open_logs
from streamer.state.connection import connected
from streamer.state.keys import Keys, watermark
from streamer.state.store import Store
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from streamer.worker import Worker
from tests.support.histories import fresh_store

LOG = "log"


def on_a_fresh_store(redis_url: str, work: Callable[[Store], Awaitable[None]]) -> None:
    async def run() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            await work(fresh_store(client))

    asyncio.run(run())


async def opened(store: Store, committed: int | None, if_empty: IfEmpty = "stop") -> int:
    """Where a log with offsets 3 to 99 is to be read from."""
    found = await open_logs(store, [Extent(LOG, 0, LOG, committed, 3, 100)], if_empty)
    return found[LOG, 0]


@pytest.mark.parametrize(("if_empty", "start"), [("rebuild", 3), ("from-now", 60)])
def test_an_empty_redis_behind_a_running_group_is_a_beginning_only_if_told(
    redis_url: str, if_empty: IfEmpty, start: int
) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(StoreEmpty, match=r"--rebuild .* or --from-now"):
            await opened(store, 60)
        assert await opened(store, 60, if_empty) == start
        assert await opened(store, 60) == start

    on_a_fresh_store(redis_url, work)


def test_of_workers_that_were_told_differently_the_first_decides_for_all(redis_url: str) -> None:
    """They look at the same time, and find the store empty. The other says that it was not heard."""
    starts: dict[str, int] = {"from-now": 60, "rebuild": 3}

    async def work(store: Store) -> None:
        with structlog.testing.capture_logs() as logs:
            first, second = await asyncio.gather(
                opened(store, 60, "from-now"), opened(store, 60, "rebuild")
            )
        record = await store.client.hgetall(store.keys.birth)
        decided = record[b"if_empty"].decode()
        assert first == second == starts[decided]
        (said,) = [entry["event"] for entry in logs]
        (other,) = starts.keys() - {decided}
        assert said.startswith(f"--{other} has no effect: this store was born with --{decided};")

    on_a_fresh_store(redis_url, work)


def test_a_group_without_commits_begins_where_the_log_does(redis_url: str) -> None:
    async def work(store: Store) -> None:
        assert await opened(store, None, "from-now") == 3

    on_a_fresh_store(redis_url, work)


@pytest.mark.parametrize("field", SCHEMAS)
@pytest.mark.parametrize(
    ("away", "what_to_do"), [(1, "run the newer one"), (-100, "start with --rebuild")]
)
def test_a_store_of_a_schema_that_can_not_be_read_is_refused(
    redis_url: str, field: str, away: int, what_to_do: str
) -> None:
    async def work(store: Store) -> None:
        await opened(store, None)
        layout = SCHEMAS[field]
        await store.client.hset(store.keys.birth, field, str(layout.schema + away))
        with pytest.raises(StoreMismatch, match=f"{layout.name} records .* {what_to_do}"):
            await opened(store, None)

    on_a_fresh_store(redis_url, work)


def test_a_store_that_tells_only_the_schema_of_its_items_is_opened(redis_url: str) -> None:
    async def work(store: Store) -> None:
        await opened(store, None)
        await store.client.hdel(store.keys.birth, *SCHEMAS.keys() - {"schema"})
        assert await opened(store, None) == 3

    on_a_fresh_store(redis_url, work)


def test_a_store_of_other_shards_is_refused(redis_url: str) -> None:
    async def work(store: Store) -> None:
        await opened(store, None)
        group = store.keys.birth.removeprefix("{").removesuffix(".birth}")
        other = Store(store.client, Keys(group, store.keys.shards + 1), 1.0)
        with pytest.raises(StoreMismatch, match=f"STREAMER_SHARDS={store.keys.shards}"):
            await opened(other, None)

    on_a_fresh_store(redis_url, work)


def extent(partition: int, committed: int | None) -> Extent:
    return Extent(LOG, partition, LOG, committed, 3, 100)


@pytest.mark.parametrize(("if_empty", "start"), [("rebuild", 3), ("from-now", 60)])
def test_partitions_that_are_met_later_begin_as_was_asked_for_at_birth(
    redis_url: str, if_empty: IfEmpty, start: int
) -> None:
    async def work(store: Store) -> None:
        await open_logs(store, [extent(0, 60)], if_empty)
        found = await open_logs(store, [extent(1, 60), extent(2, None)], "stop")
        assert found == {(LOG, 1): start, (LOG, 2): 3}
        made_again = Extent(LOG, 0, "another", 60, 0, 10)
        assert await open_logs(store, [made_again], "stop") == {(LOG, 0): 0}

    on_a_fresh_store(redis_url, work)


@pytest.mark.parametrize(("if_empty", "start"), [("rebuild", 3), ("from-now", 60)])
def test_a_log_of_which_whoever_gave_birth_held_nothing_begins_so_too(
    redis_url: str, if_empty: IfEmpty, start: int
) -> None:
    settings = Settings(redis=redis_url, group=f"group-{uuid.uuid4().hex[:8]}")
    new_items, behaviour = settings.topic(NEW_ITEMS.name), settings.topic(USER_BEHAVIOUR.name)

    async def topic_ids(topics: set[str]) -> dict[str, str]:
        return {name: f"id of {name}" for name in topics}

    async def begun(if_empty: IfEmpty, topic: str) -> int:
        app: Any = SimpleNamespace(producer=None, topic_ids=topic_ids)
        worker = Worker(app, settings, if_empty)
        held = Extent(topic, 0, f"id of {topic}", 60, 3, 100)
        try:
            return (await worker.start_offsets([held]))[topic, 0][1]
        finally:
            await worker.close()

    async def run() -> list[int]:
        return [await begun(if_empty, new_items), await begun("stop", behaviour)]

    assert asyncio.run(run()) == [start, start]


def test_a_worker_that_has_committed_nothing_gives_birth_for_none_that_have(
    redis_url: str,
) -> None:
    async def work(store: Store) -> None:
        assert await open_logs(store, [extent(0, None)], "stop") == {(LOG, 0): 3}
        with pytest.raises(StoreEmpty, match=f"{LOG}/1 at 60"):
            await open_logs(store, [extent(1, 60)], "stop")

    on_a_fresh_store(redis_url, work)


@pytest.mark.parametrize("lost", [False, True])
def test_what_somebody_applies_while_a_worker_asks_is_no_loss(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    """The log grows after its end was asked for, and a zombie applies what came before the worker
    looks how far the state is."""
    settings = Settings(redis=redis_url, group=f"group-{uuid.uuid4().hex[:8]}", shards=1)
    topic = settings.topic(USER_BEHAVIOUR.name)

    async def log_ends(broker: str, places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        assert places == [(topic, 1)]
        return {(topic, 1): 100 if lost else 110}

    async def topic_ids(topics: set[str]) -> dict[str, str]:
        return dict.fromkeys(topics, LOG)

    async def run() -> int:
        app: Any = SimpleNamespace(producer=None, topic_ids=topic_ids)
        worker = Worker(app, settings)
        try:
            extents = [Extent(topic, partition, LOG, 100, 3, 100) for partition in (0, 1)]
            await open_logs(worker.store, extents, "from-now")
            field = watermark("i", LOG, 1)
            await worker.client.hset(worker.store.keys.logs[0], field, "105")
            return (await worker.start_offsets(extents))[topic, 1][1]
        finally:
            await worker.close()

    monkeypatch.setattr("streamer.worker.log_ends", log_ends)
    if lost:
        with pytest.raises(WatermarkAhead, match=r"up to offset 105, .* log ends at 100"):
            asyncio.run(run())
    else:
        assert asyncio.run(run()) == 100


def test_a_log_that_lacks_what_the_state_needs_or_has_counted_is_refused(redis_url: str) -> None:
    async def work(store: Store) -> None:
        assert await opened(store, None) == 3
        with pytest.raises(EventsExpired, match="offsets 3 to 9 are lost"):
            await open_logs(store, [Extent(LOG, 0, LOG, 3, 10, 100)])
        with pytest.raises(WatermarkAhead, match="up to offset 3, but the broker's log ends at 2"):
            await open_logs(store, [Extent(LOG, 0, LOG, 2, 0, 2)])

    on_a_fresh_store(redis_url, work)
