"""How good lists are: what users bought of them, and how widely they expose the catalogue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.learning.metrics import Interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def top(score: Floats, allowed: Flags, count: int) -> Ints:
    """The places of the highest scores among those allowed, best first; of equals the first."""
    places = np.flatnonzero(allowed)
    return places[np.argsort(-score[places], kind="stable")[:count]]


def recall(hit: Flags, relevant: int) -> float:
    """The share of the relevant items that are in a list; ``hit`` says which of the list are."""
    return float(hit.sum() / relevant)


def ndcg(hit: Flags, relevant: int, count: int) -> float:
    """Normalised discounted cumulative gain of a list's first ``count`` with relevance 0 or 1
    (Järvelin and Kekäläinen, 2002)."""
    discount = 1.0 / np.log2(np.arange(2, count + 2))
    gain = (hit[:count] * discount[: len(hit[:count])]).sum()
    return float(gain / discount[: min(relevant, count)].sum())


def coverage(exposure: Ints) -> float:
    """The share of the items that are in any list; ``exposure`` counts the lists of each."""
    return float((exposure > 0).mean())


def gini(exposure: Ints) -> float:
    """How unevenly lists expose items: 0 all alike, towards 1 all lists the same few."""
    ordered = np.sort(exposure).astype(np.float64)
    size = len(ordered)
    rank = 2 * np.arange(1, size + 1) - size - 1
    return float((rank * ordered).sum() / (size * ordered.sum()))


def draws(users: int, resamples: int, seed: int = 0) -> Ints:
    """How often each user is drawn in each resample, (resamples, users)."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, users, (resamples, users))
    return np.stack([np.bincount(draw, minlength=users) for draw in drawn])


def mean_interval(value: Floats, user: Ints, drawn: Ints) -> Interval:
    """The mean over lists, each of a ``user``, and its percentile interval over draws of users
    (Efron and Tibshirani, 1993)."""
    total = np.bincount(user, value, drawn.shape[1])
    count = np.bincount(user, minlength=drawn.shape[1])
    means = (drawn @ total) / (drawn @ count)
    return Interval.of(np.append(value.mean(), means))
