"""P(success) of items from their features: the forward pass, in numpy.

A generalised additive model (Hastie & Tibshirani, 1986): each feature has a piecewise-linear shape,
the content vector enters through its principal components, and the logit is their sum, so that
contributions are exact by construction. A missing feature contributes its own learnt constant. An
ensemble of such models, each fitted on a bootstrap sample, gives the uncertainty. The logit is
calibrated for each stage by Platt scaling (Platt, 1999), which keeps it additive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STAGES = ("cold", "warming", "warm")
BLOCK_ITEMS = 24
"""Items whose basis is made at once: few enough to stay in a core's cache."""
WARMING_EVENTS, WARM_EVENTS = 1, 30
"""Shopper actions (impressions don't count) from which an item is warming, and warm."""


@dataclass(frozen=True, slots=True)
class Scores:
    """``contributions`` has shape (items, groups) and each row sums to the item's ``logit``;
    ``by_feature`` (items, F) is what each feature adds to it."""

    probability: Floats
    logit: Floats
    uncertainty: Floats
    stage: Ints
    contributions: Floats
    by_feature: Floats

    def at(self, places: Ints) -> Scores:
        """The scores of these items alone."""
        return Scores(*(getattr(self, name)[places] for name in self.__slots__))

    @classmethod
    def concatenated(cls, blocks: Sequence[Scores]) -> Scores:
        """The scores of all blocks' items, in order."""
        columns = ([getattr(block, name) for block in blocks] for name in cls.__slots__)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, slots=True)
class Predictor:
    """The arrays of a trained model; F features, K knots, C content components, E members.

    ``mean``, ``scale``, ``least``, ``greatest``: (F,). ``knots``: (F, K), in standardised units. ``components``: (C, D),
    ``content_mean``: (D,). ``weights``: (E, F, 2 + K), the weight of a missing feature, of the
    value and of each hinge. ``content_weights``: (E, 1 + C). ``bias``: (E,). ``slope``,
    ``offset``: (3,), by stage. ``group``: (F,), the modality of each feature.
    """

    features: tuple[str, ...]
    groups: tuple[str, ...]
    group: Ints
    mean: Floats
    scale: Floats
    least: Floats
    greatest: Floats
    knots: Floats
    components: Floats
    content_mean: Floats
    weights: Floats
    content_weights: Floats
    bias: Floats
    slope: Floats
    offset: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns of ``contributions`` are: the base, the content, every modality."""
        return ("base", "content", *self.groups)

    def score(self, x: Floats, content: NDArray[np.float32], stage: Ints) -> Scores:
        """Scores items: ``x`` (items, F), ``content`` (items, D) and ``stage`` (items,)."""
        shapes, members = self._additive(x)
        projected = self.project(content)
        members += projected @ self.content_weights.T + self.bias
        slope = self.slope[stage]
        by_feature = slope[:, None] * shapes
        grouped = [by_feature[:, self.group == g].sum(axis=1) for g in range(len(self.groups))]
        by_content = slope * (projected @ self.content_weights.mean(axis=0))
        base = slope * self.bias.mean() + self.offset[stage]
        contributions = np.column_stack([base, by_content, *grouped])
        logit = contributions.sum(axis=1)
        return Scores(
            probability=1 / (1 + np.exp(-logit)),
            logit=logit,
            uncertainty=np.abs(slope) * members.std(axis=1),
            stage=stage,
            contributions=contributions,
            by_feature=by_feature,
        )

    def _additive(self, x: Floats) -> tuple[Floats, Floats]:
        """The shape of every feature (items, F) and the sum of each member's shapes (items, E)."""
        mean_weights = self.weights.mean(axis=0).T
        member_weights = self.weights.transpose(2, 1, 0)
        shapes, members = np.empty(x.shape), np.empty((len(x), len(self.bias)))
        for start in range(0, len(x), BLOCK_ITEMS):
            block = slice(start, start + BLOCK_ITEMS)
            basis = self.basis(x[block])
            members[block] = (basis @ member_weights).sum(axis=0)
            basis *= mean_weights[:, None]
            basis.sum(axis=0, out=shapes[block])
        return shapes, members

    def basis(self, x: Floats) -> Floats:
        """Missing flag, standardised value and hinges of every feature; shape (2 + K, items, F).

        Values beyond those seen in training count as the outermost seen.
        """
        basis = np.empty((2 + self.knots.shape[1], *x.shape))
        missing = np.isnan(x)
        z = (np.clip(x, self.least, self.greatest) - self.mean) / self.scale
        basis[0] = missing
        basis[1] = np.where(missing, 0.0, z)
        np.subtract(np.where(missing, -np.inf, z), self.knots.T[:, None], out=basis[2:])
        np.maximum(basis[2:], 0.0, out=basis[2:])
        return basis

    def project(self, content: NDArray[np.float32]) -> Floats:
        """Missing flag and principal components of the content; shape (items, 1 + C)."""
        missing = np.isnan(content[:, 0])
        projected = np.zeros((len(content), 1 + len(self.components)))
        projected[:, 0] = missing
        projected[~missing, 1:] = (content[~missing] - self.content_mean) @ self.components.T
        return projected

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What a bundle stores beside the names."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def of(
        cls,
        features: tuple[str, ...],
        groups: tuple[str, ...],
        arrays: Mapping[str, NDArray[np.generic]],
    ) -> Predictor:
        return cls(features, groups, **{name: np.asarray(arrays[name]) for name in _ARRAYS})


_ARRAYS = (
    "group",
    "mean",
    "scale",
    "least",
    "greatest",
    "knots",
    "components",
    "content_mean",
    "weights",
    "content_weights",
    "bias",
    "slope",
    "offset",
)


def stages(actions: Floats) -> Ints:
    """The stage of items by how many shopper actions they have seen."""
    return (actions >= WARMING_EVENTS).astype(np.int64) + (actions >= WARM_EVENTS)
