"""What is beside a record: parsed as the scripts pack it, cached in bounds, never older than it."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import NewItem
from streamer.state.keys import kin
from streamer.state.known import (
    MAX_CACHED_BYTES,
    NOTHING,
    Content,
    Known,
    KnownItems,
    kin_of,
    parse,
)
from streamer.state.layout import ITEM, REVIEWS
from streamer.state.touched import touched

ITEM_FACTS = NewItem(item_id="i", time=5.0, title="Oat milk", brand="north", category=["a", "b"])


def record(aux: float = 0.0) -> bytes:
    head = ITEM.heads(1)
    head["x"][0, ITEM.index["aux"]] = aux
    return head.tobytes()


def facts(
    item: NewItem | None = ITEM_FACTS,
    withdrawn: tuple[float, float] = (0.0, 0.0),
    kin_ids: str = "",
) -> bytes:
    packed = msgspec.msgpack.encode(item) if item else b""
    row = [5.0, 1.0, "i:log:0:7", 4.0, kin_ids, packed, *withdrawn]
    return msgpack.packb(row, use_bin_type=False)


def entry(aux: float = 1.0, **parts: bytes) -> list[Any]:
    return [record(aux), *(parts.get(name) for name in ("facts", "content", "reviews", "early"))]


def test_every_part_is_read() -> None:
    reviews = REVIEWS.heads(1)
    reviews["x"][0, REVIEWS.index["reviews"]] = 2
    packed, known = parse(
        entry(
            facts=facts(kin_ids=" ".join(kin_of(ITEM_FACTS))),
            content=msgpack.packb([5.0, 1.0, "text", {"enc": b"\x01\x02"}], use_bin_type=False),
            reviews=reviews.tobytes(),
            early=msgpack.packb([record(7.0), ["i:log:0", "12", "k:log:0", "9", "clock", "5.0"]]),
        )
    )
    assert packed == record(1.0)
    assert known.aux == 1.0
    assert known.facts is not None
    assert known.facts.item == ITEM_FACTS
    assert (known.facts.origin, known.facts.offset) == ("i:log:0", 7)
    assert known.facts.launch_time == 4.0
    assert not known.facts.withdrawn
    relatives = kin("brand", "north"), kin("category", "a"), kin("type", "a\0b")
    assert known.family.by_kind == relatives
    assert set(known.family.kin) == set(relatives)
    assert known.content is not None
    assert dict(known.content.vectors) == {"enc": b"\x01\x02"}
    assert known.reviews is not None
    assert known.reviews[REVIEWS.index["reviews"]] == 2
    assert known.early is not None
    assert known.early.record == record(7.0)
    assert dict(known.early.watermarks) == {"i:log:0": 12}


def test_nothing_beside_a_record_is_nothing_known() -> None:
    assert parse(entry(aux=0.0))[1] == NOTHING
    assert parse(entry(facts=facts(item=None, withdrawn=(9.0, 1.0))))[1].facts is None


@pytest.mark.parametrize(
    ("withdrawal", "withdrawn"),
    [
        ((4.0, 9.0), False),
        ((5.0, 0.0), False),
        ((5.0, 1.0), False),
        ((5.0, 2.0), True),
        ((6.0, 0.0), True),
    ],
)
def test_the_later_of_upsert_and_withdrawal_stands(
    withdrawal: tuple[float, float], withdrawn: bool
) -> None:
    known = parse(entry(facts=facts(withdrawn=withdrawal)))[1]
    assert known.facts is not None
    assert known.facts.withdrawn is withdrawn


@pytest.mark.parametrize(
    ("brand", "category", "kinds"),
    [
        ("", [], []),
        ("north", [], ["brand"]),
        ("", ["a"], ["category", "type"]),
        ("north", ["a", "b", "c"], ["brand", "category", "type"]),
    ],
)
def test_relatives_are_brand_class_and_the_class_above(
    brand: str, category: list[str], kinds: list[str]
) -> None:
    item = NewItem(item_id="i", time=1.0, title="x", brand=brand, category=category)
    found = dict(name.split(":") for name in kin_of(item))
    assert list(found) == kinds
    if len(category) == 3:
        assert f"category:{found['category']}" == kin("category", "a\0b")
        assert f"type:{found['type']}" == kin("type", "a\0b\0c")


@given(st.lists(st.text(min_size=1), max_size=4), st.lists(st.text(min_size=1), max_size=4))
def test_two_paths_are_the_same_type_only_when_equal(one: list[str], other: list[str]) -> None:
    def types(category: list[str]) -> list[str]:
        item = NewItem(item_id="i", time=1.0, category=category)
        return [name for name in kin_of(item) if name.startswith("type:")]

    if not any("\0" in label for label in one + other):
        assert (types(one) == types(other)) == (one == other)


def content_of(count: int) -> Content:
    return Content(0.0, 0.0, "t", {"e": bytes(count)})


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9))), st.integers(2, 20))
def test_the_cache_is_bounded_and_keeps_the_latest(puts: list[tuple[int, int]], most: int) -> None:
    largest = Known(content=content_of(9)).bytes
    cache = KnownItems(most * largest)
    for n, length in puts:
        cache.put(f"i{n}", Known(aux=float(n), content=content_of(length)))
        assert cache.get(f"i{n}").aux == n
        kept = {m: cache.get(f"i{m}") for m, _ in puts}
        assert sum(k.bytes for k in kept.values() if k is not NOTHING) == cache.bytes
        assert cache.bytes <= most * largest
    for n in list(dict.fromkeys(n for n, _ in reversed(puts)))[:most]:
        assert cache.get(f"i{n}") is not NOTHING
    assert cache.get("never") is NOTHING
    cache.clear()
    assert all(cache.get(f"i{n}") is NOTHING for n, _ in puts)


def test_touched_items_take_what_came_with_them_and_leave_out_the_expired() -> None:
    cache = KnownItems(2**20)
    asked = [Known(aux=3.0), NOTHING, NOTHING, NOTHING]
    long = entry(content=msgpack.packb([5.0, 1.0, "t", {"e": bytes(MAX_CACHED_BYTES)}]))
    entries = [record(3.0) + b"tail", entry(facts=facts()), None, long]
    found = touched(["a", "b", "c", "d"], entries, asked, cache)
    assert found.ids == ["a", "b", "d"]
    assert found.tails == [b"tail", b"", b""]
    assert found.x[:, ITEM.index["aux"]].tolist() == [3.0, 1.0, 1.0]
    assert found.known[0] is asked[0]
    assert found.known[1].facts is not None
    assert cache.get("b") is found.known[1]
    assert found.known[2].content is not None
    assert cache.get("d") is NOTHING
    assert np.isfinite(found.heads["x"][:, ITEM.index["version"]]).all()
