"""The benchmark's row that does the peers' job: their sums and scores, and each event once."""

from __future__ import annotations

import asyncio
import math
import random
import uuid
from collections.abc import Sequence

import numpy as np
import pytest
from redis.exceptions import ConnectionError as NoConnection

from streamer.bench.peers import job
from streamer.bench.peers.sums import STORED, Event, Rows, Sums
from streamer.events import Behaviour
from streamer.settings import Settings
from streamer.state.batch import Range
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.state.phases import LostWrites
from streamer.state.store import ItemsCall, Reply, Store
from streamer.state.tally import tally
from tests.support.histories import START, begin

SHARDS, EVENTS = 3, 400


def history(seed: int, count: int = EVENTS) -> list[Event]:
    rng = random.Random(seed)
    return [
        Event(
            item_id=f"item-{int(rng.paretovariate(0.7))}",
            type=rng.choice(["impression", "purchase"]),
            time=START + 40.0 * n + rng.uniform(-600, 600),
            value=rng.choice([None, 2.5, 10.0]),
        )
        for n in range(count)
    ]


def expected(events: Sequence[Event]) -> tuple[dict[str, tuple[float, ...]], list[float]]:
    """The records as the peers' job makes them event by event, and the score behind each."""
    states: dict[str, bytes] = {}
    scores = []
    for e in events:
        event = Behaviour(item_id=e.item_id, type=e.type, time=e.time, value=e.value)  # type: ignore[arg-type]
        states[e.item_id] = job.applied(states.get(e.item_id), event)
        scores.append(1 / (1 + math.exp(-0.01 * sum(job._PACKED.unpack(states[e.item_id])[:-1]))))
    return {i: job._PACKED.unpack(s) for i, s in states.items()}, scores


def a_range(events: Sequence[Event], start: int, log: str = "log") -> Range:
    end = start + len(events)
    return Range(log, 0, log, start, end, offsets=np.arange(start, end))


async def apply(
    sums: Sums, keys: Keys, events: Sequence[Event], start: int, log: str = "log"
) -> list[float]:
    ranges = [a_range(events, start, log)]
    return (await sums.apply(ranges, Rows.of([events], ranges, keys))).tolist()


async def stored(store: Store, ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
    found = await store.read("i", ids)
    rows = np.frombuffer(b"".join(value or b"" for value in found), STORED)["x"].tolist()
    return {i: (*row[1:], row[0]) for i, row in zip(ids, rows, strict=True)}


class Shop:
    """A store of its own on the tests' Redis."""

    def __init__(self, client: object, logs: Sequence[str] = ("log",)) -> None:
        self.keys = Keys(f"sums-{uuid.uuid4().hex[:8]}", SHARDS)
        self.store = Store(client, self.keys, 0.0)  # type: ignore[arg-type]
        self._logs = logs

    async def begin(self) -> None:
        await begin(self.store, {(log, 0): EVENTS for log in self._logs}, ("i",))

    async def assert_is(self, events: Sequence[Event]) -> None:
        records, _ = expected(events)
        now = await stored(self.store, list(records))
        for item_id, record in records.items():
            assert now[item_id] == pytest.approx(record, rel=1e-12), item_id
        assert sum(c["applied"] for c in (await tally(self.store)).values()) == len(events)


def test_batches_give_the_sums_and_scores_of_one_event_after_the_other(redis_url: str) -> None:
    events = history(1)

    async def work() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            shop = Shop(client)
            await shop.begin()
            sums, scores = Sums(shop.store), []
            for start in range(0, EVENTS, 150):
                scores += await apply(sums, shop.keys, events[start : start + 150], start)
            assert scores == pytest.approx(expected(events)[1], rel=1e-12)
            await shop.assert_is(events)

    asyncio.run(work())


def test_what_comes_again_changes_nothing_and_is_told_as_of_now(redis_url: str) -> None:
    events = history(2)

    async def work() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            shop = Shop(client)
            await shop.begin()
            await apply(Sums(shop.store), shop.keys, events[:300], 0)
            again = await apply(Sums(shop.store), shop.keys, events[100:], 100)
            records, scores = expected(events)
            before, _ = expected(events[:300])
            assert again[200:] == pytest.approx(scores[300:], rel=1e-12)
            untouched = set(before) - {event.item_id for event in events[300:]}
            assert untouched
            for event, score in zip(events[100:300], again, strict=False):
                if event.item_id in untouched:
                    logit = 0.01 * sum(records[event.item_id][:-1])
                    assert score == pytest.approx(1 / (1 + math.exp(-logit)), rel=1e-12)
            await shop.assert_is(events)

    asyncio.run(work())


class _Failing(Store):
    """Applies one shard, and then the connection is lost."""

    async def apply_items(self, calls: Sequence[ItemsCall]) -> list[Reply]:
        await super().apply_items(calls[:1])
        raise NoConnection("lost")


def test_a_crash_between_shards_counts_nothing_twice(redis_url: str) -> None:
    events = history(3)

    async def work() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            shop = Shop(client)
            await shop.begin()
            with pytest.raises(NoConnection):
                await apply(Sums(_Failing(client, shop.keys, 0.0)), shop.keys, events[:250], 0)
            await apply(Sums(shop.store), shop.keys, events, 0)
            await shop.assert_is(events)

    asyncio.run(work())


def test_two_that_write_the_same_items_at_once_lose_and_double_nothing(redis_url: str) -> None:
    """All at the same time, so nothing decays and the sums are counts."""
    logs = {log: history(seed) for log, seed in (("one", 4), ("two", 5))}
    for event in [event for events in logs.values() for event in events]:
        event.time = START

    async def work() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            shop = Shop(client, list(logs))
            await shop.begin()

            async def feed(log: str) -> None:
                sums = Sums(shop.store)
                for start in range(0, EVENTS, 20):
                    await apply(sums, shop.keys, logs[log][start : start + 20], start, log)

            await asyncio.gather(*map(feed, logs))
            await shop.assert_is([event for events in logs.values() for event in events])

    asyncio.run(work())


def test_lost_writes_are_told(redis_url: str) -> None:
    events = history(6)

    async def work() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            shop = Shop(client)
            await shop.begin()
            with pytest.raises(LostWrites) as lost:
                await apply(Sums(shop.store), shop.keys, events[100:], 100)
            assert lost.value.watermarks == {0: 0}

    asyncio.run(work())
