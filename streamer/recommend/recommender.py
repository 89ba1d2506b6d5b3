"""P(a user turns to an item next | the item, the user's taste): a numpy forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.recommend.network import Network
from streamer.recommend.taste import Items, Taste, match

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scales:
    """What inputs are standardised by, and the range that learning saw, (inputs,) each."""

    mean: Floats
    scale: Floats
    least: Floats
    greatest: Floats

    def __call__(self, x: Floats) -> Singles:
        """Inputs for the networks; what is missing (NaN) enters as the average."""
        scaled = (np.clip(x, self.least, self.greatest) - self.mean) / self.scale
        return np.nan_to_num(scaled, nan=0.0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Recommender:
    """An ensemble of ``networks``; ``offset`` is added to the mean of their logits: it makes up
    for the negatives that learning left out (King and Zeng, 2001)."""

    scales: Scales
    networks: Sequence[Network]
    offset: float

    def logit(self, pairs: Floats) -> Floats:
        """Of each pair's features, an item's and those of `match` behind one another, (rows,)."""
        inputs = self.scales(pairs)
        mean: Floats = np.mean([network(inputs) for network in self.networks], axis=0)
        return mean + self.offset

    def probability(self, features: Floats, items: Items, taste: Taste) -> Floats:
        """Of the user turning to each item: ``features`` (items, features) of the items as of now,
        their facts, and the user's taste."""
        logit = self.logit(np.hstack([features, match(items, taste)]))
        return 1.0 / (1.0 + np.exp(-logit))
