"""Whatever the order, the chunks, the crashes and the redelivery: the same state."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.events import Behaviour, NewItem
from streamer.settings import Settings
from streamer.state.connection import connected
from streamer.state.keys import channel_kin, channels, kin
from streamer.state.layout import ITEM
from streamer.state.merge import at_time
from streamer.state.store import Store
from tests.support import histories, reference
from tests.support.histories import Worker, begin, fresh_store, split

CATALOGUE, SHOP = "log-of-items", "log-of-behaviour"
NOW = histories.START + 61 * 86400.0


async def record_of(store: Store, kind: str, name: str) -> np.void | None:
    (packed,) = await store.read(kind, [name])
    return None if packed is None else np.frombuffer(packed, ITEM.head, 1)[0]


def assert_counts(record: np.void, expected: reference.Counted) -> None:
    x = dict(zip(ITEM.fields, record["x"].tolist(), strict=True))
    for name in reference.SUMS:
        assert x[name] == expected.sums[name], name
    if expected.times:
        assert x["first_time"] == min(expected.times)
    if expected.purchase_times:
        assert x["first_purchase_time"] == min(expected.purchase_times)
        assert x["last_purchase_time"] == max(expected.purchase_times)
    now = dict(zip(ITEM.fields, at_time(ITEM, record["x"][None, :], NOW)[0], strict=True))
    for signal, windows in reference.DECAYED.items():
        for window in windows:
            assert now[f"{signal}_{window}"] == pytest.approx(
                expected.decayed(signal, window, NOW), rel=1e-9, abs=1e-300
            )


async def assert_state(store: Store, shop: reference.Shop) -> None:
    for item_id, expected in shop.items.items():
        record = await record_of(store, "i", item_id)
        assert record is not None
        assert_counts(record, expected)
        assert record["buyers"] == len(expected.buyers)
        assert record["users"] == len(expected.users)
        assert record["channels"] == len(expected.channels)
        assert record["days"] == len(expected.days)
    for (kind, label), expected in shop.kin.items():
        name = channel_kin(channels[label]) if kind == "channel" else kin(kind, label)
        record = await record_of(store, "k", name)
        assert record is not None, (kind, label)
        assert_counts(record, expected)


async def play(
    store: Store, items: list[NewItem], behaviour: list[list[Behaviour]], rng: random.Random
) -> None:
    """Feeds the logs in a random interleaving, in random chunks, by workers that crash at random
    between the phases and start again from an offset before where they were."""
    await begin(
        store, {(CATALOGUE, 0): len(items), **{(SHOP, p): len(b) for p, b in enumerate(behaviour)}}
    )
    feeds: list[tuple[int, list[tuple[int, int]]]] = [(-1, split(len(items), rng))]
    feeds += [(p, split(len(b), rng)) for p, b in enumerate(behaviour)]
    worker = Worker(store)
    feeds = [feed for feed in feeds if feed[1]]
    while feeds:
        partition, chunks = rng.choice(feeds)
        first, last = chunks.pop(0)
        crash = rng.random() < 0.3
        if partition < 0:
            await worker.catalogue(CATALOGUE, 0, first, items[first:last], kin=not crash)
        else:
            await worker.behaviour(
                SHOP, partition, first, behaviour[partition][first:last], kin=not crash
            )
        if crash:
            worker = Worker(store)
            again = rng.randrange(first + 1)
            length = len(items) if partition < 0 else len(behaviour[partition])
            chunks[:] = [(a + again, b + again) for a, b in split(length - again, rng)]
        feeds = [feed for feed in feeds if feed[1]]


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
