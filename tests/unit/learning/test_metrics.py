"""The two numbers on a model's card, against counts made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamer.learning.metrics import CALIBRATION_BINS, auc, expected_calibration_error


def test_calibration_error_is_the_mean_distance_between_predicted_and_observed_rate() -> None:
    bins = np.repeat(np.arange(CALIBRATION_BINS) / CALIBRATION_BINS, 10)
    observed = np.tile(np.arange(10) < 3, CALIBRATION_BINS).astype(np.int64)
    expected = np.abs(np.arange(CALIBRATION_BINS) / CALIBRATION_BINS - 0.3).mean()
    assert expected_calibration_error(observed, bins) == pytest.approx(expected)
    assert expected_calibration_error(observed, np.full(len(bins), 0.3)) == pytest.approx(0)


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.5, 0.9])) == pytest.approx(3 / 4)
    assert math.isnan(auc(np.ones(3, np.int64), np.arange(3.0)))
