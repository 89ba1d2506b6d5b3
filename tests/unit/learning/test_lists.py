"""Recall, NDCG, coverage and Gini, and intervals over users."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from streamer.learning.lists import coverage, draws, gini, mean_interval, ndcg, recall, top

seeds = st.integers(0, 2**32)


@given(seeds, st.integers(2, 40), st.integers(1, 20))
def test_ndcg_is_scikit_learns(seed: int, items: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    bought, score = rng.random(items) < 0.3, rng.permutation(items).astype(float)
    assume(bought.any())
    best = top(score, np.ones(items, bool), items)
    expected = ndcg_score(bought[None].astype(int), score[None], k=count)
    assert ndcg(bought[best], int(bought.sum()), count) == pytest.approx(expected)


@given(seeds, st.integers(1, 40), st.integers(1, 20))
def test_a_list_holds_the_best_that_are_allowed(seed: int, items: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    score, allowed = rng.permutation(items).astype(float), rng.random(items) < 0.7
    best = top(score, allowed, count)
    assert allowed[best].all()
    assert len(best) == min(count, allowed.sum())
    assert score[best].tolist() == sorted(score[allowed], reverse=True)[:count]


def test_recall_is_the_share_that_was_found() -> None:
    assert recall(np.array([True, False, True]), 4) == 0.5
    assert recall(np.array([True, True]), 2) == 1.0


@given(seeds, st.integers(1, 30))
def test_gini_is_half_the_relative_mean_difference(seed: int, items: int) -> None:
    exposure = np.random.default_rng(seed).integers(0, 9, items)
    assume(exposure.any())
    difference = np.abs(exposure[:, None] - exposure[None]).mean()
    assert gini(exposure) == pytest.approx(difference / (2 * exposure.mean()))


def test_gini_and_coverage_at_their_ends() -> None:
    assert gini(np.full(10, 3)) == pytest.approx(0.0)
    one = np.array([7] + [0] * 99)
    assert gini(one) == pytest.approx(0.99)
    assert coverage(one) == 0.01


def test_an_interval_is_as_wide_as_users_differ() -> None:
    """Ten lists of one user are one observation, not ten."""
    rng = np.random.default_rng(0)
    of_user = rng.normal(size=200)
    user = np.repeat(np.arange(200), 10)
    found = mean_interval(of_user[user], user, draws(200, 2000))
    assert found.value == pytest.approx(of_user.mean())
    error = of_user.std() / np.sqrt(200)
    assert found.greatest - found.least == pytest.approx(2 * 1.96 * error, rel=0.1)
