"""What is beside a record is read as the scripts pack it."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import NewItem
from streamer.state.keys import KIN_KINDS, kin
from streamer.state.known import Entry, Known, kin_of, parse
from streamer.state.layout import REVIEWS
from streamer.state.listing import Listing, pack
from tests.support.records import stored

ETAG = 2**60 + 3
ITEM_FACTS = NewItem(item_id="i", time=5.0, title="Oat milk", brand="north", category=["a", "b"])


def facts(
    item: NewItem | None = ITEM_FACTS,
    withdrawn: tuple[float, float] = (0.0, 0.0),
    kin_ids: str = "",
) -> bytes:
    packed = pack(Listing.of(item)) if item else b""
    row = [5.0, 1.0, "i:log:0:7", 4.0, kin_ids, packed, *withdrawn]
    return msgpack.packb(row, use_bin_type=False)


def entry(aux: float = 1.0, **parts: bytes) -> Entry:
    beside = (parts.get(name) for name in ("facts", "content", "reviews", "early"))
    found = parse([ETAG.to_bytes(8, "little") + stored(aux=aux), *beside])
    assert found is not None
    return found


def known_of(**parts: bytes) -> Known:
    return entry(**parts).known


def test_every_part_is_read() -> None:
    reviews = REVIEWS.heads(1)
    reviews["x"][0, REVIEWS.index["reviews"]] = 2
    beside = {
        "facts": facts(kin_ids=" ".join(kin_of(ITEM_FACTS))),
        "content": msgpack.packb([5.0, 1.0, "text", {"enc": b"\x01\x02"}], use_bin_type=False),
        "reviews": reviews.tobytes(),
        "early": msgpack.packb(
            [stored(aux=7.0), ["i:log:0", "12", "k:log:0", "9", "clock", "5.0"]]
        ),
    }
    found = entry(**beside)
    assert (found.etag, found.record) == (ETAG, stored(aux=1.0))
    assert found.beside_bytes == sum(map(len, beside.values()))
    known = found.known
    assert known.aux == 1.0
    assert known.facts is not None
    listing = known.facts.listing
    assert (known.facts.time, listing.title, listing.brand) == (5.0, "Oat milk", "north")
    assert known.facts.category == listing.category == ("a", "b")
    assert (known.facts.origin, known.facts.offset) == ("i:log:0", 7)
    assert known.facts.launch_time == 4.0
    assert not known.facts.withdrawn
    relatives = (
        *("", kin("brand", "north"), kin("department", "a")),
        *(kin("category", "a"), kin("type", "a\0b")),
    )
    assert known.family.by_kind == relatives
    assert set(known.family.kin) == set(relatives) - {""}
    assert known.content is not None
    assert dict(known.content.vectors) == {"enc": b"\x01\x02"}
    assert known.reviews is not None
    assert known.reviews[REVIEWS.index["reviews"]] == 2
    assert known.early is not None
    assert known.early.record == stored(aux=7.0)
    assert dict(known.early.watermarks) == {"i:log:0": 12}


def test_nothing_beside_a_record_is_nothing_known() -> None:
    nothing = entry(aux=0.0).known
    assert (nothing.facts, nothing.content, nothing.reviews, nothing.early) == (None,) * 4
    assert nothing.family.kin == ()
    assert known_of(facts=facts(item=None, withdrawn=(9.0, 1.0))).facts is None
    assert parse([None, facts(), None, None, None]) is None


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
    known = known_of(facts=facts(withdrawn=withdrawal))
    assert known.facts is not None
    assert known.facts.withdrawn is withdrawn
    assert known.facts.offered is not withdrawn


@pytest.mark.parametrize(
    ("seller", "brand", "category", "kinds"),
    [
        ("", "", [], []),
        ("farm", "", [], ["seller"]),
        ("", "north", [], ["brand"]),
        ("", "", ["a"], ["department", "category", "type"]),
        ("farm", "north", ["a", "b", "c"], list(KIN_KINDS)),
    ],
)
def test_relatives_are_seller_brand_class_and_the_class_above(
    seller: str, brand: str, category: list[str], kinds: list[str]
) -> None:
    item = NewItem(item_id="i", time=1.0, title="x", seller=seller, brand=brand, category=category)
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
