from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from streamer.events import Behaviour
from streamer.replay.sources.complete_journey import CompleteJourney
from streamer.replay.sources.journey_promotions import (
    DAY_SECONDS,
    SURFACES,
    WEEKS,
    sample_exposures,
    week_start,
)
from tests.unit.replay.conftest import SHARE, journey_file

SOME_WEEKS = range(10, 16)


@pytest.fixture(scope="module")
def sold(transactions: pd.DataFrame) -> np.ndarray:
    return np.sort(transactions["product_id"].unique())


@pytest.fixture(scope="module")
def exposures(sold: np.ndarray) -> pd.DataFrame:
    """Every exposure of some weeks, counted by pandas alone."""
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
    return pd.concat(shown).drop_duplicates()


def test_weeks_begin_where_the_transactions_say(transactions: pd.DataFrame) -> None:
    starts = [week_start(week) for week in range(1, WEEKS + 1)]
    times = transactions["transaction_timestamp"].to_numpy().astype("datetime64[s]").astype(float)
    found = np.searchsorted(starts, times, side="right")
    assert (found == transactions["week"]).all()


def test_a_share_of_one_is_every_exposure(sold: np.ndarray, exposures: pd.DataFrame) -> None:
    found = sample_exposures(sold, 1.0, SOME_WEEKS)
    mine = pd.DataFrame(
        {
            "product_id": sold[found.product],
            "store_id": found.store.astype(np.int64),
            "week": found.week.astype(np.int64),
            "surface": np.array(SURFACES)[found.surface],
        }
    )
    columns = list(mine.columns)
    theirs = exposures[columns].sort_values(columns).reset_index(drop=True)
    mine = mine.sort_values(columns).reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, theirs, check_dtype=False)


@pytest.mark.parametrize("by", ["surface", "week"])
def test_weighted_sums_of_a_sample_are_unbiased(
    sold: np.ndarray, exposures: pd.DataFrame, by: str
) -> None:
    """Each exposure is in the sample with probability SHARE: within 4.5 standard deviations."""
    found = sample_exposures(sold, SHARE, SOME_WEEKS)
    drawn = np.array(SURFACES)[found.surface] if by == "surface" else found.week
    counts = pd.Series(drawn).value_counts()
    for group, population in exposures[by].value_counts().items():
        deviation = np.sqrt(population * (1 - SHARE) / SHARE)
        assert abs(counts[group] / SHARE - population) < 4.5 * deviation


def test_a_larger_share_contains_a_smaller_one(sold: np.ndarray) -> None:
    small, large = (sample_exposures(sold, share, range(12, 13)) for share in (0.02, 0.2))
    assert _identities(small) < _identities(large)


def test_exposures_are_spread_over_the_first_day_of_their_week(sold: np.ndarray) -> None:
    found = sample_exposures(sold, 0.05, SOME_WEEKS)
    starts = np.array([week_start(int(week)) for week in found.week])
    into = (found.time - starts) / DAY_SECONDS
    assert (into >= 0).all()
    assert (into < 1).all()
    quarters = np.bincount((into * 4).astype(int), minlength=4) / len(into)
    assert np.allclose(quarters, 0.25, atol=0.01)


def test_an_impression_says_what_it_stands_for(week: CompleteJourney) -> None:
    shown = [r.value for r in week if r.kind == "impression" and isinstance(r.value, Behaviour)]
    assert len(shown) > 10_000
    assert {event.surface for event in shown} == set(SURFACES)
    assert {event.quantity for event in shown} == {1 / SHARE}
    assert all((event.channel or "").startswith("store ") for event in shown)


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


def _identities(found: object) -> set[tuple[int, ...]]:
    columns = [getattr(found, name).tolist() for name in ("product", "store", "week", "surface")]
    return set(zip(*columns, strict=True))
