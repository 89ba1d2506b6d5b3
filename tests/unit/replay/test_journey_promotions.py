from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from streamer.events import Behaviour
from streamer.replay.sources.complete_journey import CompleteJourney
from streamer.replay.sources.journey_promotions import (
    NIGHT_SECONDS,
    SURFACES,
    WEEKS,
    promotions,
    week_start,
)
from tests.unit.replay.conftest import journey_file

SOME_WEEKS = range(10, 16)


@pytest.fixture(scope="module")
def sold(transactions: pd.DataFrame) -> np.ndarray:
    return np.sort(transactions["product_id"].unique())


@pytest.fixture(scope="module")
def reported(sold: np.ndarray) -> pd.DataFrame:
    """Every report of some weeks, counted by pandas alone."""
    table = pd.read_parquet(
        journey_file("promotions"),
        filters=[("week", ">=", SOME_WEEKS.start), ("week", "<", SOME_WEEKS.stop)],
    )
    table = table[table["product_id"].isin(sold)]
    shown = [
        table.loc[table[f"{surface}_location"] != "0", ["product_id", "store_id", "week"]].assign(
            surface=surface
        )
        for surface in SURFACES
    ]
    by = ["product_id", "surface", "week"]
    return pd.concat(shown).groupby(by)["store_id"].nunique().rename("stores").reset_index()


def test_weeks_begin_where_the_transactions_say(transactions: pd.DataFrame) -> None:
    starts = [week_start(week) for week in range(1, WEEKS + 1)]
    times = transactions["transaction_timestamp"].to_numpy().astype("datetime64[s]").astype(float)
    found = np.searchsorted(starts, times, side="right")
    assert (found == transactions["week"]).all()


def test_a_report_says_in_how_many_stores_a_product_is_shown(
    sold: np.ndarray, reported: pd.DataFrame
) -> None:
    found = promotions(sold, SOME_WEEKS)
    mine = pd.DataFrame(
        {
            "product_id": sold[found.product],
            "surface": np.array(SURFACES)[found.surface],
            "week": found.week.astype(np.int64),
            "stores": found.stores,
        }
    )
    by = ["product_id", "surface", "week"]
    mine, theirs = (table.sort_values(by).reset_index(drop=True) for table in (mine, reported))
    pd.testing.assert_frame_equal(mine, theirs, check_dtype=False)


def test_reports_come_in_the_night_in_which_the_week_begins(sold: np.ndarray) -> None:
    found = promotions(sold, SOME_WEEKS)
    starts = np.array([week_start(int(week)) for week in found.week])
    into = (found.time - starts) / NIGHT_SECONDS
    assert (np.diff(found.time) >= 0).all()
    assert (into >= 0).all()
    assert (into < 1).all()
    quarters = np.bincount((into * 4).astype(int), minlength=4) / len(into)
    assert np.allclose(quarters, 0.25, atol=0.01)


def test_an_impression_says_how_many_it_stands_for(
    week: CompleteJourney, reported: pd.DataFrame
) -> None:
    shown = [r.value for r in week if r.kind == "impression" and isinstance(r.value, Behaviour)]
    assert len(shown) > 10_000
    assert {event.surface for event in shown} == set(SURFACES)
    assert all(event.channel is None for event in shown)
    of_the_week = {
        f"{surface}-{number}-product-{product}": stores
        for product, surface, number, stores in reported.itertuples(index=False)
    }
    known = [event for event in shown if event.event_id in of_the_week]
    assert known
    assert all(event.quantity == of_the_week[event.event_id or ""] for event in known)


def test_a_promotion_before_the_first_sale_is_kept(
    week: CompleteJourney, transactions: pd.DataFrame
) -> None:
    first = transactions.groupby("product_id")["transaction_timestamp"].min()
    early = [
        record
        for record in week
        if record.kind == "impression"
        and record.time < first[int(record.key.removeprefix(b"product-"))].timestamp()
    ]
    assert early
