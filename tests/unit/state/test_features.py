"""Features of any history are finite where there is something, and NaN where there is not."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import REVIEW_DIMENSIONS, Behaviour, NewItem
from streamer.state.features import (
    FEATURES,
    MODALITIES,
    Features,
    ensure_kin,
    features,
    launch_times,
    singles,
)
from streamer.state.keys import channel_kin, channels, kin, readers
from streamer.state.kin import KinTable
from streamer.state.layout import REVIEWS
from streamer.state.store import Store
from streamer.state.touched import Touched
from tests.support.histories import START
from tests.support.touching import (
    DIMENSIONS,
    ENCODER,
    kin_record,
    kin_table,
    known_of,
    touched_items,
    touched_of,
)

DAY = 86400.0


def read(items: Touched, now: float = START + DAY, table: KinTable | None = None) -> Features:
    return features(items, kin_table(items) if table is None else table, now, ENCODER, DIMENSIONS)


def row(items: Touched, now: float = START + DAY) -> dict[str, float]:
    """The features of the only item, by name."""
    (x,) = read(items, now).x
    return dict(zip(FEATURES, x.tolist(), strict=True))


def happened(kind: str, count: int = 1, **fields: object) -> list[Behaviour]:
    given = {"item_id": "i", "time": START, **fields}
    return [Behaviour(type=kind, **given) for _ in range(count)]  # type: ignore[arg-type]


@given(
    touched_items(), st.sampled_from([-1.0, -100 * DAY, -30 * 365 * DAY, 61 * DAY, 100 * 365 * DAY])
)
def test_every_feature_of_any_history_at_any_moment_is_finite_or_missing(
    items: Touched, after: float
) -> None:
    found = read(items, START + after)
    assert found.x.shape == (len(items), len(FEATURES))
    assert found.content.shape == (len(items), DIMENSIONS)
    assert not np.isinf(found.x).any()
    always = [FEATURES.index(n) for n in ("views", "views_1h", "purchases_672h", "value_168h")]
    assert np.isfinite(found.x[:, always]).all()
    known = np.array([k.content is not None for k in items.known], bool)
    assert (np.isfinite(found.content).all(axis=1) == known).all()


@given(touched_items())
def test_an_item_is_read_alike_alone_and_in_company(items: Touched) -> None:
    together, table = read(items).x, kin_table(items)
    for place in range(len(items)):
        alone = items.part(place, place + 1)
        np.testing.assert_array_equal(read(alone, table=table).x[0], together[place])


def test_modalities_divide_the_features() -> None:
    assert [name for names in MODALITIES.values() for name in names] == list(FEATURES)
    assert len(set(FEATURES)) == len(FEATURES)


def test_nothing_known_is_missing_and_not_zero() -> None:
    x = row(touched_of([], {"i": known_of(None)}))
    assert x["views"] == x["purchases"] == x["reviews"] == 0
    for name in ("price_log", "rating", "sentiment", "review_v0", "brand_purchases", "conversion"):
        assert math.isnan(x[name]), name
    assert math.isnan(x["since_purchase_log_hours"])


def test_counts_are_logarithms_and_rates_decay() -> None:
    items = touched_of(happened("view", 7) + happened("purchase", 3, value=2.0), {})
    x = row(items, START + DAY)
    assert x["views"] == pytest.approx(math.log1p(7))
    assert x["views_24h"] == pytest.approx(math.log1p(3.5))
    assert x["value"] == pytest.approx(math.log1p(6))
    assert x["purchases_168h"] == pytest.approx(math.log1p(3 * 2 ** (-1 / 7)))
    assert x["conversion"] == pytest.approx((3 + 0.05 * 20) / (10 + 20))


def test_an_event_ahead_of_the_clock_counts_as_happening_now() -> None:
    items = touched_of(happened("view", 3), {})
    assert row(items, START - 100 * DAY)["views_1h"] == row(items, START)["views_1h"]


def test_age_counts_from_the_launch_or_else_from_the_first_event() -> None:
    item = NewItem(item_id="i", time=START - 5 * DAY, title="x", launch_time=START - 2 * DAY)
    events = happened("view")
    assert launch_times(touched_of(events, {"i": known_of(item)})).tolist() == [START - 2 * DAY]
    assert launch_times(touched_of(events, {})).tolist() == [START]
    assert np.isnan(launch_times(touched_of([], {"i": known_of(None)}))).all()
    assert row(touched_of(events, {"i": known_of(item)}), START)["age_log_hours"] == pytest.approx(
        math.log1p(48)
    )


def test_distinct_buyers_are_exact_below_the_length_kept_and_estimated_beyond() -> None:
    def buyers(count: int) -> float:
        events = [e for n in range(count) for e in happened("purchase", user_id=f"u{n}")]
        return math.expm1(row(touched_of(events + events, {}))["buyers"])

    assert buyers(63) == pytest.approx(63)
    assert buyers(4000) == pytest.approx(4000, rel=0.4)


def test_a_vector_that_is_not_as_long_as_its_encoder_makes_them_is_none() -> None:
    for length in (DIMENSIONS - 1, DIMENSIONS + 1, 1):
        items = touched_of([], {"i": known_of(None, vector=np.ones(length))})
        assert np.isnan(read(items).content).all()


def test_every_finite_half_is_read_as_the_number_it_is() -> None:
    halves = np.arange(2**16, dtype="<u2").view("<f2")
    halves = halves[np.isfinite(halves)]
    read_as = singles(halves.tobytes())
    np.testing.assert_array_equal(read_as, halves.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(read_as), np.signbit(halves))


def test_reviews_and_ratings() -> None:
    x = row(touched_of(happened("rating", 2, rating=4.0), {"i": known_of(None, reviews=True)}))
    assert x["rating"] == pytest.approx(4.0)
    assert x["reviews"] == pytest.approx(math.log1p(3))
    assert x["sentiment"] == pytest.approx((1.5 + 0.7 * 3) / (2 + 3))
    assert x["review_v0"] == pytest.approx(1 / 1024 / 3)


@pytest.mark.parametrize("reader", [readers["another"], readers["another"] - readers[ENCODER], -1])
def test_vectors_of_reviews_that_another_encoder_has_read_are_none(reader: int) -> None:
    beside = known_of(None, reviews=True)
    assert beside.reviews is not None
    beside.reviews[REVIEWS.index["reader"]] += reader
    x = row(touched_of([], {"i": beside}))
    assert np.isnan([x[f"review_v{i}"] for i in range(REVIEW_DIMENSIONS)]).all()
    assert x["sentiment"] == pytest.approx((1.5 + 0.7 * 3) / (2 + 3))


def sold_in(kin_records: dict[str, dict[str, float]]) -> KinTable:
    """Relatives with these fields."""
    table = KinTable()
    records = [kin_record(**{"last_time": START, **fields}) for fields in kin_records.values()]
    table.put(list(kin_records), records)
    return table


def test_a_price_is_compared_with_what_is_usual_in_its_type() -> None:
    item = NewItem(item_id="i", time=START, title="x", category=["a", "b"], price=20.0)
    items = touched_of([], {"i": known_of(item)})
    table = sold_in({kin("type", "a\0b"): {"quantity": 10.0, "value": 50.0}})
    x = dict(zip(FEATURES, read(items, START, table).x[0].tolist(), strict=True))
    assert x["price_log"] == pytest.approx(math.log(20))
    assert x["price_to_type"] == pytest.approx(math.log(20 / 5))
    assert math.isnan(x["price_to_category"])


def test_conversion_and_returns_lean_on_what_is_usual_among_its_relatives_but_for_itself() -> None:
    item = NewItem(item_id="i", time=START, title="x", brand="b", category=["a", "b"])
    events = happened("view", 7) + happened("purchase", 3) + happened("return")
    items = touched_of(events, {"i": known_of(item)})
    own = {"view": 7.0, "purchase": 3.0, "return": 1.0}
    for others in ({}, {"view": 60.0, "cart": 20.0, "purchase": 40.0, "return": 10.0}):
        table = sold_in(
            {kin("type", "a\0b"): {n: own.get(n, 0.0) + others.get(n, 0.0) for n in own | others}}
        )
        x = dict(zip(FEATURES, read(items, START, table).x[0].tolist(), strict=True))
        bought, returned = ((40 + 5) / (120 + 100), 10 / (40 + 100)) if others else (0.05, 0.0)
        assert x["conversion"] == pytest.approx((3 + 20 * bought) / (10 + 20))
        assert x["returns_share"] == pytest.approx((1 + 20 * returned) / (3 + 20))


def test_momentum_is_the_last_week_against_a_quarter_of_four() -> None:
    steady = sold_in({kin("brand", "b"): {"purchases_168h": 5.0, "purchases_672h": 20.0}})
    item = NewItem(item_id="i", time=START, title="x", brand="b")
    items = touched_of(happened("purchase", 3), {"i": known_of(item)})
    x = dict(zip(FEATURES, read(items, START, steady).x[0].tolist(), strict=True))
    assert x["brand_momentum"] == pytest.approx(0)
    assert x["momentum"] == pytest.approx(math.log(3.5 / (3 / 4 + 0.5)))


@pytest.mark.parametrize("order", [("quiet", "busy"), ("busy", "quiet")])
def test_the_busiest_channel_counts_wherever_it_is_listed(order: tuple[str, str]) -> None:
    names = {"busy": 30.0, "quiet": 1.0}
    events = [e for channel in order for e in happened("purchase", channel=channel)]
    found = touched_of(events, {})
    listed = sorted(order, key=channels.__getitem__)
    for amounts in (names, dict(zip(listed, (30.0, 1.0), strict=True))):
        table = sold_in({channel_kin(channels[n]): {"purchases_672h": amounts[n]} for n in names})
        x = dict(zip(FEATURES, read(found, START, table).x[0].tolist(), strict=True))
        assert x["channel_sales_max"] == pytest.approx(math.log1p(30))
        assert x["channel_sales_mean"] == pytest.approx(math.log1p(15.5))
        assert x["channel_sales_sum"] == pytest.approx(math.log1p(31))


@dataclass
class Shelf:
    """A store that holds one record for every relative, and notes what is read."""

    record: bytes
    asked: set[str] = field(default_factory=set)

    async def read(self, kind: str, names: Sequence[str]) -> list[bytes]:
        assert kind == "k"
        self.asked |= set(names)
        return [self.record] * len(names)


def test_relatives_and_channels_are_asked_for_and_read() -> None:
    item = NewItem(item_id="i", time=START, title="x", brand="north", category=["a", "b"])
    items = touched_of(happened("purchase", 4, channel="web", value=1.0), {"i": known_of(item)})
    web, brand = channel_kin(channels["web"]), kin("brand", "north")
    table, shelf = KinTable(), Shelf(kin_record(last_time=START, purchase=9, purchases_672h=9))
    x = dict(zip(FEATURES, read(items, START, table).x[0].tolist(), strict=True))
    assert math.isnan(x["brand_purchases"])
    asyncio.run(ensure_kin(items, table, cast(Store, shelf)))
    classes = kin("type", "a\0b"), kin("category", "a"), kin("department", "a")
    assert shelf.asked == {web, brand, *classes}
    x = dict(zip(FEATURES, read(items, START, table).x[0].tolist(), strict=True))
    assert x["channels"] == pytest.approx(math.log1p(1))
    assert x["channel_sales_sum"] == x["channel_sales_max"] == pytest.approx(math.log1p(9))
    assert x["channel_size_sum"] == x["channel_size_mean"] == pytest.approx(math.log1p(9))
    assert x["brand_purchases"] == x["type_purchases"] == pytest.approx(math.log1p(9))


def test_what_nobody_in_particular_bought_says_nothing_of_repeated_purchases() -> None:
    assert math.isnan(row(touched_of(happened("purchase", 3), {}))["repeat"])
    assert row(touched_of(happened("purchase", 3, user_id="u"), {}))["repeat"] > 0
    assert row(touched_of(happened("view"), {}))["repeat"] == 0


def test_a_gift_has_no_discount() -> None:
    item = NewItem(item_id="i", time=START, title="x", price=0.0)
    found = row(touched_of(happened("purchase", value=2.0), {"i": known_of(item)}))
    assert math.isnan(found["discount"])
