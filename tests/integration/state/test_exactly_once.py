"""Whatever the order, the chunks, the crashes and the redelivery: the same state."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.events import REVIEW_DIMENSIONS, Behaviour, Encoding, NewItem, Text
from streamer.settings import Settings
from streamer.state.batch import Range
from streamer.state.birth import ENCODED
from streamer.state.connection import connected
from streamer.state.keys import channel_kin, channels, kin, readers
from streamer.state.known import Facts, Known
from streamer.state.layout import ITEM, KIN, REVIEWS, Layout
from streamer.state.listing import STORED_DESCRIPTION_CHARS
from streamer.state.members import LISTS
from streamer.state.merge import at_time
from streamer.state.records import Records
from streamer.state.store import Store
from tests.support import histories, reference
from tests.support.histories import Worker, begin, fresh_store, split

CATALOGUE, SHOP, ENCODINGS = "log-of-items", "log-of-behaviour", "log-of-encodings"
NOW = histories.START + 61 * 86400.0


def assert_fields(layout: Layout, x: np.ndarray, expected: reference.Counted) -> None:
    fields = dict(zip(layout.fields, x.tolist(), strict=True))
    for name in fields.keys() & set(reference.SUMS):
        assert fields[name] == expected.sums[name], name
    if expected.times and "first_time" in fields:
        assert fields["first_time"] == min(expected.times)
        assert fields["last_time"] == max(expected.times)
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


def kin_id(kind: str, label: str) -> str:
    return channel_kin(channels[label]) if kind == "channel" else kin(kind, label)


def assert_facts(facts: Facts | None, listing: reference.Listing) -> None:
    *_, latest = listing.latest
    if listing.first is None or latest is None:
        assert facts is None
        return
    assert facts is not None
    assert facts.launch_time == listing.launch_time
    expected = sorted(kin_id(*relative) for relative in reference.relatives(listing.first))
    assert sorted(facts.family.kin) == expected
    assert facts.withdrawn == listing.is_withdrawn
    assert facts.offered == (not listing.is_withdrawn and latest.stock != 0)
    assert facts.time == latest.time
    listing = facts.listing
    assert listing.description == latest.description[:STORED_DESCRIPTION_CHARS]
    assert listing.category == tuple(latest.category)
    for name in (
        "title",
        "language",
        "brand",
        "seller",
        "price",
        "currency",
        "stock",
        "attributes",
    ):
        assert getattr(listing, name) == getattr(latest, name)


def assert_read(known: Known, read: reference.Read) -> None:
    content, row = known.content, known.reviews
    if not read.vectors:
        assert content is None
    else:
        assert content is not None
        assert (content.time, content.order, content.text_id) == read.described
        assert content.vectors == read.vectors
    if not read.reviews:
        assert row is None
        return
    assert row is not None
    fields = dict(zip(REVIEWS.fields, row.tolist(), strict=True))
    reviews = list(read.reviews.values())
    judged = [round(e.sentiment * 10_000) for e in reviews if e.sentiment is not None]
    assert fields["last_time"] == max(e.time for e in reviews)
    assert fields["reviews"] == len(reviews)
    assert fields["reader"] == sum(readers[e.fingerprint] for e in reviews)
    assert (fields["sentiment_count"], fields["sentiment_sum"]) == (len(judged), sum(judged))
    vectors = np.array([np.frombuffer(e.vector, "<i2") for e in reviews], np.int64).sum(axis=0)
    assert [fields[f"v{n}"] for n in range(REVIEW_DIMENSIONS)] == vectors.tolist()
    now = dict(zip(REVIEWS.fields, at_time(REVIEWS, row[None, :], NOW)[0], strict=True))
    for name in ("reviews", "sentiment"):
        for window in ("168h", "672h"):
            expected = read.decayed(name, window, NOW)
            assert now[f"{name}_{window}"] == pytest.approx(expected, rel=1e-9)


async def assert_state(store: Store, shop: reference.Shop) -> None:
    entries = await store.read_items(list(shop.items))
    for entry, (item_id, expected) in zip(entries, shop.items.items(), strict=True):
        assert entry is not None
        records = Records.unpacked([entry.record])
        assert_fields(ITEM, records.x[0], expected)
        counts = dict(zip(LISTS, records.counts[0].tolist(), strict=True))
        assert counts == {name: len(getattr(expected, name)) for name in LISTS}
        assert_facts(entry.known.facts, shop.listings[item_id])
        assert_read(entry.known, shop.read[item_id])
    for (kind, label), expected in shop.kin.items():
        (packed,) = await store.read("k", [kin_id(kind, label)])
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


@dataclass
class Inference:
    """An inference worker that answers late, in any order and repeatedly, and who reads it.

    ``came`` is what was read in the end, in that order.
    """

    rng: random.Random
    waiting: list[Text] = field(default_factory=list)
    log: list[Encoding] = field(default_factory=list)
    came: list[Encoding] = field(default_factory=list)
    at: int = 0

    def send(self, ranges: Sequence[Range]) -> None:
        """Texts of these ranges, which have been applied."""
        self.waiting += [text for some in ranges for text in histories.texts_of(some)]

    def answer(self, count: int) -> None:
        """So many of the texts that wait are encoded, some of them twice."""
        self.rng.shuffle(self.waiting)
        some, self.waiting = self.waiting[:count], self.waiting[count:]
        twice = [text for text in some if self.rng.random() < 0.3]
        self.log += [histories.encoding_of(text, self.rng) for text in some + twice]

    async def read(self, worker: Worker) -> None:
        """Whoever reads goes on from where the last one was, or from somewhere before."""
        first = self.rng.randrange(self.at + 1) if self.rng.random() < 0.3 else self.at
        some = self.log[first:]
        await worker.encodings(ENCODINGS, 0, first, some)
        self.came += some
        self.at = len(self.log)


async def play(
    store: Store, items: list[NewItem], behaviour: list[list[Behaviour]], rng: random.Random
) -> list[Encoding]:
    """Feeds the logs in a random interleaving, in random chunks and batches, to two workers that
    don't know of each other, and crash at random between the phases and start again from an offset
    before where they were. What inference makes of the texts comes in between. Returns that in the
    order in which it came."""
    logs = {(CATALOGUE, 0): items, **{(SHOP, p): b for p, b in enumerate(behaviour)}}
    await begin(store, {log: len(events) for log, events in logs.items()})
    await begin(store, {(ENCODINGS, 0): 0}, ENCODED)
    feeds = [Feed(*log, events, split(len(events), rng)) for log, events in logs.items()]
    workers, inference = [Worker(store), Worker(store)], Inference(rng)
    while feeds := [feed for feed in feeds if feed.chunks]:
        some = rng.sample(feeds, rng.randint(1, len(feeds)))
        number, crash = rng.randrange(2), rng.random() < 0.3
        ranges = [feed.taken() for feed in some]
        await workers[number].apply(ranges, kin=not crash)
        if crash:
            workers[number] = Worker(store)
            for feed, each in zip(some, ranges, strict=True):
                feed.read_again(each.start, rng)
        inference.send(ranges)
        if rng.random() < 0.5:
            inference.answer(rng.randrange(len(inference.waiting) + 1))
            await inference.read(workers[rng.randrange(2)])
    inference.answer(len(inference.waiting))
    await inference.read(workers[rng.randrange(2)])
    return inference.came


histories_of_items = st.lists(histories.new_items(), min_size=4, max_size=16)
histories_of_behaviour = st.lists(
    st.lists(histories.behaviours(), min_size=4, max_size=25), min_size=2, max_size=2
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories_of_items, histories_of_behaviour, st.integers(0, 2**32))
def test_any_order_any_chunks_any_crash_give_the_reference_state(
    redis_url: str, items: list[NewItem], behaviour: list[list[Behaviour]], seed: int
) -> None:
    async def run() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            came = await play(store, items, behaviour, random.Random(seed))
            events = [event for log in behaviour for event in log]
            await assert_state(store, reference.shop(items, events, came, log=CATALOGUE))

    asyncio.run(run())
