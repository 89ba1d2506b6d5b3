"""Against the same numbers from scipy and scikit-learn."""

from __future__ import annotations

import doctest
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import roc_auc_score

from streamer.learning.metrics import expected_calibration_error
from streamer.scoring import agreement

Pair = tuple[np.ndarray, np.ndarray]


def columns(values: st.SearchStrategy[float]) -> st.SearchStrategy[Pair]:
    def two(length: int) -> st.SearchStrategy[Pair]:
        one = arrays.arrays(float, length, elements=values)
        return st.tuples(one, one)

    return st.integers(2, 40).flatmap(two)


tied = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9])


def test_the_examples_hold() -> None:
    assert doctest.testmod(agreement).failed == 0


@given(columns(tied))
def test_ranks_and_their_correlation_are_scipys(pair: Pair) -> None:
    a, b = pair
    np.testing.assert_allclose(agreement.ranks(a), rankdata(a))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = spearmanr(a, b).statistic
    assert agreement.rank_correlation(a, b) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(columns(tied))
def test_the_area_under_the_curve_is_scikit_learns(pair: Pair) -> None:
    score, chance = pair
    label = (chance > 0.2).astype(float)
    found = agreement.area_under_curve(label, score)
    if label.min() == label.max():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(label, score))


@given(columns(tied))
def test_the_calibration_error_is_that_of_training(pair: Pair) -> None:
    probability, chance = pair
    label = (chance > 0.2).astype(np.int64)
    expected = expected_calibration_error(label, probability)
    assert agreement.calibration_error(label.astype(float), probability) == pytest.approx(expected)


@given(columns(st.floats(0, 1)))
def test_a_model_agrees_with_itself_and_not_with_its_opposite(pair: Pair) -> None:
    values, _ = pair
    assume(len(np.unique(values)) > 1)
    assert agreement.rank_correlation(values, values) == pytest.approx(1.0)
    assert agreement.rank_correlation(values, -values) == pytest.approx(-1.0)


def test_nothing_is_said_of_nothing() -> None:
    none = np.empty(0)
    assert np.isnan(agreement.rank_correlation(none, none))
    assert np.isnan(agreement.area_under_curve(none, none))
    assert np.isnan(agreement.calibration_error(none, none))
