"""How far two models agree, and how right each was: pure functions of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CALIBRATION_BINS = 10


def ranks(values: Floats) -> Floats:
    """The rank of each value from 1 up; equal values share the mean of theirs.

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Floats = (last - (counts - 1) / 2)[place]
    return shared


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's rho, from -1 to 1; NaN where one of the two does not tell any items apart.

    >>> rank_correlation(np.array([0.1, 0.2, 0.9]), np.array([0.5, 0.6, 0.7]))
    1.0
    """
    first, second = (ranks(values) - (len(values) + 1) / 2 for values in (a, b))
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm else float("nan")


def area_under_curve(label: Floats, score: Floats) -> float:
    """How often a success is above a failure (Mann and Whitney, 1947); NaN with one outcome only.

    >>> area_under_curve(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.9, 0.6, 0.5]))
    0.75
    """
    good = float(label.sum())
    pairs = good * (len(label) - good)
    if not pairs:
        return float("nan")
    return float((ranks(score)[label > 0].sum() - good * (good + 1) / 2) / pairs)


def calibration_error(label: Floats, probability: Floats) -> float:
    """Mean distance between predicted and observed rate over bins of equal size (Naeini et al.,
    AAAI 2015, with equal-mass bins); NaN without any."""
    if not len(label):
        return float("nan")
    order = np.argsort(probability, kind="stable")
    bins = [b for b in np.array_split(order, CALIBRATION_BINS) if len(b)]
    apart = [len(b) * abs(probability[b].mean() - label[b].mean()) for b in bins]
    return float(sum(apart) / len(label))
