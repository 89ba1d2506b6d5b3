"""Which items to learn from next (active learning): those whose outcomes would tell the predictor
most."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


class Strategy(StrEnum):
    """How items are chosen: by chance; by the information that their outcome holds (BALD; Houlsby
    et al., 2011); by how near P is to one half; so that no item is far from a chosen one (k-center;
    Sener and Savarese, ICLR 2018); by information times the distance from what was chosen; by
    chance, with pseudo-labels for others (see `active_curve`)."""

    RANDOM = "random"
    INFORMATION = "information"
    MARGIN = "margin"
    CENTERS = "centers"
    MIXED = "mixed"
    PSEUDO = "pseudo_labels"


@dataclass(frozen=True, slots=True)
class Pool:
    """Items to choose from: ``logit`` and ``uncertainty`` (items,), and ``vectors`` (items, D) that
    tell how far they are from each other."""

    logit: Floats
    uncertainty: Floats
    vectors: Floats

    def __len__(self) -> int:
        return len(self.logit)


def information(logit: Floats, uncertainty: Floats) -> Floats:
    """Mutual information of each outcome and the model, in bits: the entropy of what the ensemble
    says less the mean entropy of what its members say.

    Members' logits are taken as normal with this mean and deviation (Gauss-Hermite quadrature).
    """
    members = 1 / (1 + np.exp(-(logit[:, None] + uncertainty[:, None] * _NODES)))
    weights = _WEIGHTS / _WEIGHTS.sum()
    gained: Floats = _entropy(members @ weights) - _entropy(members) @ weights
    return np.maximum(gained, 0.0)


def _entropy(probability: Floats) -> Floats:
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    found: Floats = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return found


def choose(strategy: Strategy, pool: Pool, count: int, known: Floats, seed: int) -> Ints:
    """The places of ``count`` items, the first first; ``known`` (items, D) are the vectors of those
    whose outcomes are known."""
    count = min(count, len(pool))
    if strategy in (Strategy.RANDOM, Strategy.PSEUDO):
        return np.random.default_rng(seed).permutation(len(pool))[:count]
    if strategy is Strategy.INFORMATION:
        return _greatest(information(pool.logit, pool.uncertainty), count)
    if strategy is Strategy.MARGIN:
        return _greatest(-np.abs(pool.logit), count)
    if strategy is Strategy.CENTERS:
        return _spread(np.ones(len(pool)), pool.vectors, count, known)
    return _spread(information(pool.logit, pool.uncertainty), pool.vectors, count, known)


def nearest(vectors: Floats, chosen: Ints) -> Ints:
    """Which of the chosen items each item is nearest to, as its place among them, (items,)."""
    some = vectors[chosen]
    distance = np.einsum("cd,cd->c", some, some) - 2 * vectors @ some.T
    found: Ints = np.argmin(distance, axis=1)
    return found


def _greatest(value: Floats, count: int) -> Ints:
    return np.argsort(-value, kind="stable")[:count]


def _spread(value: Floats, vectors: Floats, count: int, known: Floats) -> Ints:
    """Greedily the item with the greatest value times squared distance from its nearest neighbour
    among those known or chosen: of twins only one."""
    square = np.einsum("nd,nd->n", vectors, vectors)
    nearest = np.full(len(vectors), np.inf)

    def near(vector: Floats) -> None:
        distance = square - 2 * vectors @ vector + vector @ vector
        np.minimum(nearest, np.maximum(distance, 0.0), out=nearest)

    for vector in known:
        near(vector)
    left = np.ones(len(vectors), bool)
    chosen: list[int] = []
    for _ in range(count):
        worth = value * np.where(np.isinf(nearest), 1.0, nearest)
        place = int(np.argmax(np.where(left, worth, -1.0)))
        chosen.append(place)
        left[place] = False
        near(vectors[place])
    return np.array(chosen, np.int64)
