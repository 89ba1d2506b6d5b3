"""Touched items made from random histories, as the state would answer them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from streamer.events import Behaviour, NewItem
from streamer.state.keys import channel_kin, readers
from streamer.state.kin import KinTable
from streamer.state.known import NO_FAMILY, Content, Facts, Known, beside, family, kin_of
from streamer.state.layout import ITEM, KIN, REVIEWS
from streamer.state.listing import Listing, pack
from streamer.state.records import Records
from streamer.state.touched import Touched
from tests.support import histories
from tests.support.records import deltas_of

ENCODER = "test-encoder"
DIMENSIONS = 384


def facts_of(item: NewItem, *, withdrawn: bool = False) -> Facts:
    launch = item.time if item.launch_time is None else item.launch_time
    return Facts(
        packed=pack(Listing.of(item)),
        time=item.time,
        origin="i:log:0",
        offset=0,
        launch_time=launch,
        family=family(" ".join(kin_of(item)).encode()),
        withdrawn=withdrawn,
        offered=not withdrawn and item.stock != 0,
        price=np.nan if item.price is None else item.price,
        category=tuple(item.category),
    )


def known_of(
    item: NewItem | None,
    *,
    withdrawn: bool = False,
    reviews: bool = False,
    vector: np.ndarray | None = None,
) -> Known:
    """What is beside a record; with reviews, three of them, two judged."""
    facts = facts_of(item, withdrawn=withdrawn) if item else None
    content = None
    if vector is not None:
        content = Content(0.0, 0.0, "t", {ENCODER: vector.astype("<f2").tobytes()})
    return Known(
        facts=facts,
        content=content,
        reviews=_reviews() if reviews else None,
        family=facts.family if facts else NO_FAMILY,
    )


def _reviews() -> np.ndarray:
    row = REVIEWS.identity.copy()
    row[:] = 1.0
    row[REVIEWS.index["last_time"]] = histories.START
    row[REVIEWS.index["reviews"]] = 3
    row[REVIEWS.index["reader"]] = 3 * readers[ENCODER]
    row[REVIEWS.index["sentiment_count"]] = 2
    row[REVIEWS.index["sentiment_sum"]] = 1.5e4
    return row


def touched_of(events: Sequence[Behaviour], known: dict[str, Known]) -> Touched:
    """The items of a history, and those known without one."""
    deltas = deltas_of(events)
    quiet = [item_id for item_id in known if item_id not in deltas.ids]
    ids = deltas.ids + quiet
    records = Records.empty(len(ids))
    records.put(slice(len(deltas.ids)), deltas.records)
    found = [known.get(item_id, Known()) for item_id in ids]
    return Touched(ids, np.zeros(len(ids), np.uint64), records, found, beside(found))


def kin_table(items: Touched) -> KinTable:
    """A table in which every relative of the items has the record of the first item."""
    table = KinTable()
    names = {kin for known in items.known if known.facts for kin in known.facts.family.kin}
    names |= {channel_kin(n) for n in range(1, 4)}
    if len(items):
        record = kin_record(**dict(zip(ITEM.fields, items.x[0].tolist(), strict=True)))
        table.put(sorted(names), [record] * len(names))
    else:
        table.put(sorted(names), [None] * len(names))
    return table


def kin_record(**fields: float) -> bytes:
    """The record of a relative with those of these fields that it has."""
    head = KIN.heads(1)
    for name in fields.keys() & KIN.index.keys():
        head["x"][0, KIN.index[name]] = fields[name]
    return head.tobytes()


@st.composite
def touched_items(draw: st.DrawFn) -> Touched:
    """Any history: items with and without behaviour, facts, reviews and content."""
    events = draw(st.lists(histories.behaviours(), max_size=20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    known = {
        item.item_id: known_of(
            item,
            withdrawn=draw(st.booleans()),
            reviews=draw(st.booleans()),
            vector=rng.normal(size=DIMENSIONS) if draw(st.booleans()) else None,
        )
        for item in draw(st.lists(histories.upserts(), max_size=4))
    }
    return touched_of(events, known)
