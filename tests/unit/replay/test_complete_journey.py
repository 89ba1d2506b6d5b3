from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from streamer.errors import ConfigurationError
from streamer.events import Behaviour, NewItem
from streamer.replay.record import TimedRecord
from streamer.replay.sources.complete_journey import CompleteJourney
from streamer.wire import pack
from tests.unit.replay.conftest import FIRST_DAY, LAST_DAY


@pytest.fixture(scope="module")
def records(week: CompleteJourney) -> list[TimedRecord]:
    return list(week)


@pytest.fixture(scope="module")
def lines(transactions: pd.DataFrame) -> pd.DataFrame:
    return transactions[transactions["day"].between(FIRST_DAY, LAST_DAY)]


@pytest.fixture(scope="module")
def launches(transactions: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """The first line of each product in the catalogue, where it lies in the week."""
    first = transactions.drop_duplicates("product_id").set_index("product_id")
    first = first[first["day"].between(FIRST_DAY, LAST_DAY)]
    return first.join(products, how="inner")


def purchases(records: list[TimedRecord]) -> list[Behaviour]:
    return [r.value for r in records if r.kind == "purchase" and isinstance(r.value, Behaviour)]


def items(records: list[TimedRecord]) -> dict[str, NewItem]:
    return {r.value.item_id: r.value for r in records if isinstance(r.value, NewItem)}


def test_records_come_in_time_order(week: CompleteJourney, records: list[TimedRecord]) -> None:
    times = [record.time for record in records]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (week.start_time, week.last_time)
    assert len(records) == week.total


def test_every_purchase_line_becomes_one_event(
    records: list[TimedRecord], lines: pd.DataFrame
) -> None:
    mine, theirs = defaultdict(list), defaultdict(list)
    for event in purchases(records):
        mine[event.item_id].append((event.time, event.user_id, event.session, event.value))
    for row in lines.itertuples():
        theirs[f"product-{row.product_id}"].append(
            (
                row.transaction_timestamp.timestamp(),
                f"household-{row.household_id}",
                str(row.basket_id),
                row.sales_value,
            )
        )
    assert mine == theirs


def test_quantities_and_channels_are_those_of_the_data(
    records: list[TimedRecord], lines: pd.DataFrame, products: pd.DataFrame
) -> None:
    fuel = products.index[products["product_type"].fillna("").str.startswith("GASOLINE")]
    kept = lines[~lines["product_id"].isin(fuel)]
    theirs = kept.groupby("store_id")["quantity"].sum()
    mine: Counter[str] = Counter()
    fuel_items = {f"product-{p}" for p in fuel}
    for event in purchases(records):
        if event.item_id not in fuel_items:
            mine[event.channel or ""] += int(event.quantity)
    assert mine == {f"store {store}": total for store, total in theirs.items()}


def test_metered_fuel_is_counted_in_gallons(
    records: list[TimedRecord], lines: pd.DataFrame, products: pd.DataFrame
) -> None:
    fuel = products.index[products["product_type"].fillna("").str.startswith("GASOLINE")]
    metered = lines[lines["product_id"].isin(fuel) & (lines["quantity"] >= 100)]
    sold = {f"{r.basket_id}-product-{r.product_id}": r for r in metered.itertuples()}
    events = [e for e in purchases(records) if e.event_id in sold]
    assert len(events) == len(metered) > 100
    for event in events:
        assert event.quantity == sold[str(event.event_id)].quantity / 1000
        assert event.value is not None
        assert 1 < event.value / event.quantity < 5


def test_event_ids_are_unique(records: list[TimedRecord]) -> None:
    ids = [r.value.event_id for r in records if not isinstance(r.value, bytes)]
    assert None not in ids
    assert len(set(ids)) == len(ids)


def test_a_product_is_launched_at_its_first_sale_just_before_the_purchase(
    records: list[TimedRecord], launches: pd.DataFrame
) -> None:
    launched = {r.key.decode(): place for place, r in enumerate(records) if r.kind == "upsert"}
    assert launched.keys() == {f"product-{p}" for p in launches.index}
    bought: dict[str, int] = {}
    for place, record in enumerate(records):
        if record.kind == "purchase":
            bought.setdefault(record.key.decode(), place)
    for item_id, place in launched.items():
        assert place < bought[item_id]
        assert records[place].time == records[bought[item_id]].time


def test_an_item_says_what_the_catalogue_knows(
    records: list[TimedRecord], launches: pd.DataFrame
) -> None:
    found = items(records)
    for product_id, row in launches.iterrows():
        item = found[f"product-{product_id}"]
        private = row["brand"] == "Private"
        assert item.brand == f"manufacturer {row['manufacturer_id']}"
        assert item.attributes["private_label"] is private
        assert ("Store brand" if private else "National brand") in item.description
        assert item.title
        assert item.currency == "USD"
        known = row[["department", "product_category", "product_type"]].notna().sum()
        assert len(item.category) == known


def test_the_price_is_the_shelf_price_of_the_first_sale(
    records: list[TimedRecord], launches: pd.DataFrame
) -> None:
    found = items(records)
    money = launches["sales_value"] + launches["retail_disc"] + launches["coupon_match_disc"]
    price = (money / launches["quantity"].replace(0, np.nan)).replace(0, np.nan)
    known = 0
    for product_id, expected in price.items():
        actual = found[f"product-{product_id}"].price
        if math.isnan(expected):
            assert actual is None
        else:
            assert actual == pytest.approx(expected, abs=1e-4)
            known += 1
    assert known > 700


def test_a_title_names_the_category_where_the_type_alone_says_little() -> None:
    titles = {item.title for item in items(list(CompleteJourney(0, 1, promoted=False))).values()}
    assert any(title.startswith("Premium (ice cream, milk, sherbets)") for title in titles)
    assert any(title.startswith("Kids cereal, ") for title in titles)


def test_without_impressions_there_are_none() -> None:
    source = CompleteJourney(FIRST_DAY, FIRST_DAY, promoted=False)
    assert {record.kind for record in source} == {"upsert", "purchase"}
    assert "left out" in source.about


def test_a_catalogue_history_brings_the_items_that_are_still_around(
    week: CompleteJourney, records: list[TimedRecord]
) -> None:
    with_history = CompleteJourney(FIRST_DAY, LAST_DAY, "catalogue")
    earlier = [r for r in with_history if r.time < with_history.start_time]
    assert with_history.start_time == week.start_time
    assert {r.kind for r in earlier} == {"upsert"}
    assert with_history.total == week.total + len(earlier)
    before, within = {r.key for r in earlier}, {r.key for r in records}
    assert before <= within
    launched = {r.key for r in records if r.kind == "upsert"}
    assert not before & launched


def test_a_full_history_is_everything_from_the_first_day(
    week: CompleteJourney, transactions: pd.DataFrame
) -> None:
    source = CompleteJourney(FIRST_DAY, LAST_DAY, "full", promoted=False)
    kinds = Counter(record.kind for record in source)
    assert kinds["purchase"] == (transactions["day"] <= LAST_DAY).sum()
    assert source.start_time >= week.start_time


def test_replaying_again_gives_the_same_records(
    week: CompleteJourney, records: list[TimedRecord]
) -> None:
    again = CompleteJourney(FIRST_DAY, LAST_DAY)
    for one, other in zip(records, again, strict=True):
        assert one.key == other.key
        assert one.encoded() == other.encoded() == pack(one.value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "last"), [(5, 4), (-1, 4)])
def test_impossible_options_are_refused(first: int, last: int) -> None:
    with pytest.raises(ConfigurationError):
        CompleteJourney(first, last)
