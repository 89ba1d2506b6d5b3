"""How good predictions are: ranking and calibration."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

CALIBRATION_BINS = 10
LEVEL = 0.95
"""Of bootstrap intervals."""


class Interval(NamedTuple):
    """A figure with the bounds of its bootstrap interval."""

    value: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Floats) -> Interval:
        """The first of the values, between the bounds of the others that are numbers: a resample
        with one outcome alone has no AUC. NaN where there are none."""
        tail, resampled = (1 - LEVEL) / 2, values[1:][~np.isnan(values[1:])]
        if not len(resampled):
            return cls(float(values[0]), float("nan"), float("nan"))
        least, greatest = np.quantile(resampled, [tail, 1 - tail])
        return cls(float(values[0]), float(least), float(greatest))


def above(values: Floats, group: NDArray[Any], quantile: float) -> Labels:
    """1 where a value is strictly above the quantile of its group's, else 0."""
    label = np.zeros(len(values), np.int64)
    for one in np.unique(group):
        mine = group == one
        label[mine] = values[mine] > np.quantile(values[mine], quantile)
    return label


def auc(label: Labels, score: Floats) -> float:
    """Area under the ROC curve; NaN where there is only one outcome."""
    if label.min() == label.max():
        return float("nan")
    return float(roc_auc_score(label, score))


def expected_calibration_error(label: Labels, probability: Floats) -> float:
    """Mean distance between predicted and observed rate over bins of equal size (Naeini et al.,
    AAAI 2015, with equal-mass bins)."""
    order = np.argsort(probability, kind="stable")
    bins = [b for b in np.array_split(order, CALIBRATION_BINS) if len(b)]
    distances = [len(b) * abs(probability[b].mean() - label[b].mean()) for b in bins]
    return float(sum(distances) / len(label))
