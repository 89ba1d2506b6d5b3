"""Whatever the order, the chunks, the crashes and the redelivery: the same state."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.events import Behaviour, NewItem
from streamer.settings import Settings
from streamer.state.batch import Range
from streamer.state.connection import connected
from streamer.state.keys import channel_kin, channels, kin
from streamer.state.layout import ITEM, KIN, Layout
from streamer.state.members import LISTS
from streamer.state.merge import at_time
from streamer.state.records import Records
from streamer.state.store import Store
from tests.support import histories, reference
from tests.support.histories import Worker, begin, fresh_store, split

CATALOGUE, SHOP = "log-of-items", "log-of-behaviour"
NOW = histories.START + 61 * 86400.0


def assert_fields(layout: Layout, x: np.ndarray, expected: reference.Counted) -> None:
    fields = dict(zip(layout.fields, x.tolist(), strict=True))
    for name in fields.keys() & set(reference.SUMS):
        assert fields[name] == expected.sums[name], name
    if expected.times and "first_time" in fields:
        assert fields["first_time"] == min(expected.times)
    if expected.purchase_times and "first_purchase_time" in fields:
        assert fields["first_purchase_time"] == min(expected.purchase_times)
        assert fields["last_purchase_time"] == max(expected.purchase_times)
    now = dict(zip(layout.fields, at_time(layout, x[None, :], NOW)[0], strict=True))
    for signal, windows in reference.DECAYED.items():
        for window in windows:
            if (name := f"{signal}_{window}") in now:
                assert now[name] == pytest.approx(
                    expected.decayed(signal, window, NOW), rel=1e-9, abs=1e-300
                )


async def assert_state(store: Store, shop: reference.Shop) -> None:
    entries = await store.read_items(list(shop.items))
    for entry, expected in zip(entries, shop.items.values(), strict=True):
        assert entry is not None
        records = Records.unpacked([entry.record])
        assert_fields(ITEM, records.x[0], expected)
        counts = dict(zip(LISTS, records.counts[0].tolist(), strict=True))
        assert counts == {name: len(getattr(expected, name)) for name in LISTS}
    for (kind, label), expected in shop.kin.items():
        name = channel_kin(channels[label]) if kind == "channel" else kin(kind, label)
        (packed,) = await store.read("k", [name])
        assert packed is not None, (kind, label)
        assert_fields(KIN, np.frombuffer(packed, KIN.head, 1)["x"][0], expected)


@dataclass
class Feed:
    """A log that is read in chunks."""

    log: str
    partition: int
    events: Sequence[Any]
    chunks: list[tuple[int, int]]

    def taken(self) -> Range:
        first, last = self.chunks.pop(0)
        kind = "catalogue" if self.log == CATALOGUE else "behaviour"
        some = {kind: self.events[first:last]}
        return Range.holding(self.log, first, partition=self.partition, **some)

    def read_again(self, first: int, rng: random.Random) -> None:
        """From somewhere before ``first``, in other chunks."""
        again = rng.randrange(first + 1)
        self.chunks = [(a + again, b + again) for a, b in split(len(self.events) - again, rng)]


async def play(
    store: Store, items: list[NewItem], behaviour: list[list[Behaviour]], rng: random.Random
) -> None:
    """Feeds the logs in a random interleaving, in random chunks and batches, to two workers that
    don't know of each other, and crash at random between the phases and start again from an offset
    before where they were."""
    logs = {(CATALOGUE, 0): items, **{(SHOP, p): b for p, b in enumerate(behaviour)}}
    await begin(store, {log: len(events) for log, events in logs.items()})
    feeds = [Feed(*log, events, split(len(events), rng)) for log, events in logs.items()]
    workers = [Worker(store), Worker(store)]
    while feeds := [feed for feed in feeds if feed.chunks]:
        some = rng.sample(feeds, rng.randint(1, len(feeds)))
        number, crash = rng.randrange(2), rng.random() < 0.3
        ranges = [feed.taken() for feed in some]
        await workers[number].apply(ranges, kin=not crash)
        if crash:
            workers[number] = Worker(store)
            for feed, each in zip(some, ranges, strict=True):
                feed.read_again(each.start, rng)


histories_of_behaviour = st.lists(
    st.lists(histories.behaviours(), max_size=25), min_size=2, max_size=2
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(histories.new_items(), max_size=8), histories_of_behaviour, st.integers(0, 2**32))
def test_any_order_any_chunks_any_crash_give_the_reference_state(
    redis_url: str, items: list[NewItem], behaviour: list[list[Behaviour]], seed: int
) -> None:
    async def run() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            await play(store, items, behaviour, random.Random(seed))
            await assert_state(store, reference.shop(items, [e for log in behaviour for e in log]))

    asyncio.run(run())
