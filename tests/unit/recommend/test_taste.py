"""What a taste remembers and how items match it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.recommend.network import Network
from streamer.recommend.recommender import Recommender, Scales
from streamer.recommend.taste import HALF_LIFE_DAYS, KINDS, MATCH, PAIRS, Items, Taste, match


def some_items(rng: np.random.Generator, count: int) -> Items:
    return Items(
        kin=rng.integers(-1, 4, (count, len(KINDS))),
        price_log=np.where(rng.random(count) < 0.2, np.nan, rng.normal(size=count)),
        content=rng.normal(size=(count, 6)).astype(np.float32),
    )


def counted(items: Items, taste: Taste, kinds: tuple[str, ...]) -> np.ndarray:
    """The weight of what has the same relatives, one by one."""
    columns = [KINDS.index(kind) for kind in kinds]
    mine, theirs = items.kin[:, columns], taste.items.kin[:, columns]
    same = (mine[:, None] == theirs[None]).all(axis=2) & (mine >= 0).all(axis=1)[:, None]
    return np.log1p(same @ taste.weight)


@given(st.integers(0, 2**32), st.integers(0, 30), st.integers(1, 10))
def test_relatives_are_counted_by_weight(seed: int, turned_to: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    items = some_items(rng, count)
    taste = Taste.of(some_items(rng, turned_to), 100 * rng.random(turned_to))
    found = match(items, taste)
    assert found.shape == (count, len(MATCH))
    for column, kinds in enumerate([*((kind,) for kind in KINDS), *PAIRS]):
        np.testing.assert_allclose(found[:, column], counted(items, taste, kinds), atol=1e-12)
    assert np.isfinite(found).all()


@given(st.integers(0, 2**32))
def test_the_order_of_what_was_turned_to_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items, turned_to, age = some_items(rng, 5), some_items(rng, 20), 100 * rng.random(20)
    other = rng.permutation(20)
    np.testing.assert_allclose(
        match(items, Taste.of(turned_to, age)),
        match(items, Taste.of(turned_to.take(other), age[other])),
        rtol=1e-5,
        atol=1e-6,
    )


def test_what_was_turned_to_a_half_life_ago_weighs_half() -> None:
    items = some_items(np.random.default_rng(0), 2)
    assert Taste.of(items, np.array([0.0, HALF_LIFE_DAYS])).weight.tolist() == [1.0, 0.5]


def test_a_dearer_item_is_further_from_what_is_paid() -> None:
    kin, content = np.zeros((3, len(KINDS)), np.int64), np.zeros((3, 1), np.float32)
    paid = Taste.of(Items(kin, np.log([2.0, 2.0, 2.0]), content), np.zeros(3))
    found = match(Items(kin, np.log([2.0, 4.0, 1.0]), content), paid)
    for name in ("taste_price", "taste_price_in_category"):
        same, dearer, cheaper = found[:, MATCH.index(name)]
        assert same == pytest.approx(0.0)
        assert dearer == pytest.approx(-cheaper)
        assert dearer > 0


def test_a_probability_makes_up_for_negatives_left_out() -> None:
    """A network that says even odds of pairs of which a hundredth of the negatives were kept."""
    width = 1 + len(MATCH)
    one = np.zeros(width)
    flat = Network(
        *(np.zeros((width, 2), np.float32), np.zeros(2, np.float32)),
        *(np.zeros((2, 2), np.float32), np.zeros(2, np.float32)),
        *(np.zeros(2, np.float32), 0.0),
    )
    own = Recommender(Scales(one, one + 1, one - 9, one + 9), [flat], float(np.log(0.01)))
    items = some_items(np.random.default_rng(0), 3)
    taste = Taste.of(items, np.zeros(3))
    found = own.probability(np.full((3, 1), np.nan), items, taste)
    np.testing.assert_allclose(found, 0.01 / 1.01)
