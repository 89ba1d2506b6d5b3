"""What is kept beside the records: the same after any order and any redelivery."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.errors import StoreMismatch
from streamer.events import REVIEW_DIMENSIONS, Behaviour, Encoding, NewItem
from streamer.settings import Settings
from streamer.state.birth import ENCODED
from streamer.state.catalogue import tie_order
from streamer.state.connection import connected
from streamer.state.keys import readers
from streamer.state.known import Known
from streamer.state.layout import REVIEWS
from streamer.state.listing import Listing, pack
from streamer.state.merge import at_time
from streamer.state.reading import read_items
from streamer.state.store import Store
from streamer.state.table import ItemTable
from tests.support.histories import START, Worker, begin, fresh_store

LATER = START + 70 * 86400.0
quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
times = st.sampled_from([START, START + 3600.0, START + 40 * 86400.0])


@st.composite
def encodings(draw: st.DrawFn) -> Encoding:
    kind = draw(st.sampled_from(["description", "review"]))
    text_id, time = draw(st.sampled_from("abc")), draw(times)
    if kind == "review":  # a review's text and time belong to its id
        time = START + 86400.0 * "abc".index(text_id)
    numbers = np.full(REVIEW_DIMENSIONS, 1 + "abc".index(text_id), "<i2")
    return Encoding(
        time=time,
        item_id=draw(st.sampled_from(["i", "j", "unheard of"])),
        kind=kind,
        text_id=text_id,
        fingerprint=draw(st.sampled_from(["old", "new"])),
        vector=numbers.tobytes(),
        sentiment=[0.25, 0.5, None]["abc".index(text_id)] if kind == "review" else None,
        order=float("abc".index(text_id)),
    )


def view(item_id: str, **fields: Any) -> Behaviour:
    return Behaviour(item_id=item_id, type="view", time=START, **fields)


async def known(store: Store, item_id: str) -> Known:
    (found,) = (await read_items(store, [item_id], ItemTable(2**20))).known
    return found


@quick
@given(st.lists(encodings(), max_size=15), st.randoms(use_true_random=False))
def test_encodings_are_exact_by_identity(
    redis_url: str, some: list[Encoding], rng: random.Random
) -> None:
    async def run() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            await begin(store, {("log", 0): 2})
            await Worker(store).behaviour("log", 0, 0, [view("i"), view("j")])
            delivered = [*some, *rng.sample(some, len(some) // 2)]
            rng.shuffle(delivered)
            await begin(store, {("encodings", 0): len(delivered)}, ENCODED)
            start, worker = 0, Worker(store)
            while start < len(delivered):
                portion = delivered[start : start + rng.randint(1, 5)]
                named = {e.item_id for e in portion if e.item_id != "unheard of"}
                for _ in range(rng.randint(1, 2)):
                    items = await worker.encodings("encodings", 0, start, portion)
                    assert set(items.ids) == named
                start += len(portion)
            for item_id in ("i", "j"):
                found, mine = await known(store, item_id), [e for e in some if e.item_id == item_id]
                assert worker.table.known(item_id).aux in (found.aux, 0.0)
                assert_content(found, [e for e in mine if e.kind == "description"])
                assert_reviews(found, {e.text_id: e for e in mine if e.kind == "review"})
                assert_readers(found, [e for e in delivered if e in mine])
            assert await store.read("c", ["unheard of"]) == [None]
            assert await store.read("r", ["unheard of"]) == [None]

    asyncio.run(run())


def assert_content(found: Known, descriptions: Sequence[Encoding]) -> None:
    if not descriptions:
        assert found.content is None
        return
    latest = max((e.time, e.order) for e in descriptions)
    standing = [e for e in descriptions if (e.time, e.order) == latest]
    assert found.content is not None
    assert found.content.text_id == standing[0].text_id
    assert dict(found.content.vectors) == {e.fingerprint: e.vector for e in standing}


def assert_reviews(found: Known, reviews: dict[str, Encoding]) -> None:
    if not reviews:
        assert found.reviews is None
        return
    assert found.reviews is not None
    (x,) = at_time(REVIEWS, found.reviews[None], LATER)
    row = dict(zip(REVIEWS.fields, x.tolist(), strict=True))
    judged = [e for e in reviews.values() if e.sentiment is not None]
    assert row["reviews"] == len(reviews)
    assert row["sentiment_count"] == len(judged)
    assert row["sentiment_sum"] == sum(10_000 * (e.sentiment or 0) for e in judged)
    assert row["v7"] == sum(np.frombuffer(e.vector, "<i2")[7] for e in reviews.values())
    assert row["last_time"] == max(e.time for e in reviews.values())
    for window, half_life in (("168h", 7 * 86400.0), ("672h", 28 * 86400.0)):
        weights = [2 ** ((e.time - LATER) / half_life) for e in reviews.values()]
        np.testing.assert_allclose(row[f"reviews_{window}"], sum(weights), rtol=1e-9)


def assert_readers(found: Known, delivered: Sequence[Encoding]) -> None:
    """Of a review that was read twice, the first reading counts."""
    first: dict[str, str] = {}
    for encoding in delivered:
        if encoding.kind == "review":
            first.setdefault(encoding.text_id, encoding.fingerprint)
    if found.reviews is not None:
        assert found.reviews[REVIEWS.index["reader"]] == sum(readers[f] for f in first.values())


def test_reviews_from_before_it_was_told_who_reads_have_no_reader(redis_url: str) -> None:
    schema, fields = REVIEWS.older[0]
    before = np.full(len(fields), 2.0)
    before[fields.index("last_time")] = START
    stored = schema.to_bytes(2, "little") + before.astype("<f8").tobytes()

    async def run() -> Known:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            await begin(store, {("log", 0): 1})
            await begin(store, {("encodings", 0): 1}, ENCODED)
            await Worker(store).behaviour("log", 0, 0, [view("i")])
            await client.set(store.keys.of("r", "i"), stored)
            await Worker(store).encodings("encodings", 0, 0, [review("new")])
            return await known(store, "i")

    found = asyncio.run(run()).reviews
    assert found is not None
    at = REVIEWS.index
    assert (found[at["reviews"]], found[at["v7"]]) == (3, 3)
    assert found[at["reader"]] == readers["new"]


def review(fingerprint: str) -> Encoding:
    vector = np.ones(REVIEW_DIMENSIONS, "<i2").tobytes()
    return Encoding(
        time=START,
        item_id="i",
        kind="review",
        text_id="r",
        fingerprint=fingerprint,
        vector=vector,
    )


@st.composite
def catalogue(draw: st.DrawFn) -> NewItem:
    return NewItem(
        item_id="i",
        time=draw(times),
        type=draw(st.sampled_from(["upsert", "withdrawal"])),
        title=draw(st.sampled_from("xyz")),
        event_id=f"e{draw(st.integers(0, 10**6))}",
    )


@quick
@given(st.lists(catalogue(), min_size=1, max_size=10, unique_by=lambda e: e.event_id), st.data())
def test_the_latest_word_of_the_catalogue_stands_on_however_many_partitions(
    redis_url: str, events: list[NewItem], data: st.DataObject
) -> None:
    async def run() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            cut = data.draw(st.integers(0, len(events)))
            logs = [part for part in (events[:cut], events[cut:]) if part]
            await begin(store, {("log", p): len(part) for p, part in enumerate(logs)})
            order = data.draw(st.permutations(range(len(logs))))
            for partition in [*order, *order]:
                await Worker(store).catalogue("log", partition, 0, logs[partition])
            found = (await known(store, "i")).facts
            upserts = [e for e in events if e.type == "upsert"]
            if not upserts:
                assert found is None
                return
            standing = max(upserts, key=stamp)
            withdrawals = [stamp(e) for e in events if e.type == "withdrawal"]
            assert found is not None
            assert (found.time, found.packed) == (standing.time, pack(Listing.of(standing)))
            assert found.withdrawn == (max(withdrawals, default=(0.0, 0.0)) > stamp(standing))

    asyncio.run(run())


def stamp(event: NewItem) -> tuple[float, float]:
    return event.time, tie_order(event.event_id or "")


@quick
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 5), st.sampled_from(["view", "cart"])),
        min_size=1,
        max_size=60,
    ),
    st.randoms(use_true_random=False),
)
def test_a_user_has_the_items_of_the_recent_past_and_nothing_else(
    redis_url: str, events: list[tuple[int, int, Any]], rng: random.Random
) -> None:
    async def run() -> dict[bytes, float]:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            worker = Worker(store)
            await begin(store, {("log", 0): len(events)})
            log = [
                Behaviour(item_id=f"i{n:02}", type=kind, time=START + t, user_id="ann")
                for n, t, kind in rng.sample(events, len(events))
            ]
            await worker.behaviour("log", 0, 0, log[: len(log) // 2 or 1])
            await worker.behaviour("log", 0, 0, log)
            name = f"{worker.pseudonyms['ann']:016x}"
            key = store.keys.of("u", name)
            found = await client.zrange(key, 0, -1, withscores=True)
            assert not found or 0 < await client.ttl(key) <= 86400
            return dict(found)

    last: dict[str, float] = {}
    for n, t, kind in events:
        if kind == "cart":
            last[f"i{n:02}"] = max(START + t, last.get(f"i{n:02}", 0.0))
    recent = sorted(last.items(), key=lambda pair: (pair[1], pair[0]))[-5:]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("streamer.state.store.REMEMBERED_ITEMS", 5)
        assert asyncio.run(run()) == {name.encode(): time for name, time in recent}


def test_packed_facts_are_plain_to_read(redis_url: str) -> None:
    async def run() -> list[Any]:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            await begin(store, {("log", 0): 1})
            item = NewItem(item_id="i", time=START, title="x", launch_time=START - 5)
            await Worker(store).catalogue("log", 0, 0, [item])
            (packed,) = await store.read("f", ["i"])
            row: list[Any] = msgpack.unpackb(packed or b"", raw=True)
            return row

    time, _, origin, launch, kin, *_ = asyncio.run(run())
    assert (time, origin, launch, kin) == (START, b"i:log:0:0", START - 5, b"")


def test_a_review_that_must_wait_for_a_newer_streamer_is_not_taken_for_counted(
    redis_url: str,
) -> None:
    first, second = (
        Encoding(
            time=START,
            item_id="i",
            kind="review",
            text_id=text_id,
            fingerprint="encoder",
            vector=bytes(2 * REVIEW_DIMENSIONS),
        )
        for text_id in "ab"
    )

    async def run() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            await begin(store, {("log", 0): 1})
            await begin(store, {("encodings", 0): 2}, ENCODED)
            worker, place = Worker(store), store.keys.of("r", "i")
            await worker.behaviour("log", 0, 0, [view("i")])
            await worker.encodings("encodings", 0, 0, [first])
            record: Any = await client.get(place)
            await client.set(place, (REVIEWS.schema + 1).to_bytes(2, "little") + record[2:])
            with pytest.raises(StoreMismatch):
                await worker.encodings("encodings", 0, 1, [second])
            await client.set(place, record)
            await worker.encodings("encodings", 0, 1, [second])
            row = (await known(store, "i")).reviews
            assert row is not None
            assert row[REVIEWS.index["reviews"]] == 2

    asyncio.run(run())
