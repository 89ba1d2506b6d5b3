"""P(success) of items from their features: the forward pass, in numpy.

A generalised additive model (Hastie & Tibshirani, 1986): each feature has a piecewise-linear shape,
the content vector enters through its principal components, and the logit is their sum, so that
contributions are exact by construction. A missing feature contributes its own learnt constant. An
ensemble of such models, each fitted on a bootstrap sample, gives the uncertainty. The logit is
calibrated for each stage by Platt scaling (Platt, 1999), which keeps it additive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STAGES = ("cold", "warming", "warm")
WARMING_EVENTS, WARM_EVENTS = 1, 30
"""Shopper actions (impressions don't count) from which an item is warming, and warm."""


@dataclass(frozen=True, slots=True)
class Scores:
    """``contributions`` has shape (items, groups) and each row sums to the item's ``logit``."""

    probability: Floats
    logit: Floats
    uncertainty: Floats
    stage: Ints
    contributions: Floats


@dataclass(frozen=True, slots=True)
class Predictor:
    """The arrays of a trained model; F features, K knots, C content components, E members.

    ``mean``, ``scale``: (F,). ``knots``: (F, K), in standardised units. ``components``: (C, D),
    ``content_mean``: (D,). ``weights``: (E, F, 2 + K), the weight of a missing feature, of the
    value and of each hinge. ``content_weights``: (E, 1 + C). ``bias``: (E,). ``slope``,
    ``offset``: (3,), by stage. ``group``: (F,), the modality of each feature.
    """

    features: tuple[str, ...]
    groups: tuple[str, ...]
    group: Ints
    mean: Floats
    scale: Floats
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
        by_feature, by_content, ensemble = self._parts(x, content)
        slope = self.slope[stage]
        grouped = np.zeros((len(x), len(self.groups)))
        for column, group in enumerate(self.group):
            grouped[:, group] += by_feature[:, column]
        base = slope * self.bias.mean() + self.offset[stage]
        contributions = np.column_stack([base, slope * by_content, slope[:, None] * grouped])
        logit = contributions.sum(axis=1)
        return Scores(
            probability=1 / (1 + np.exp(-logit)),
            logit=logit,
            uncertainty=np.abs(slope) * ensemble.std(axis=1),
            stage=stage,
            contributions=contributions,
        )

    def by_feature(self, x: Floats, stage: Ints) -> Floats:
        """What each feature contributes to the logit; shape (items, F)."""
        shapes = np.einsum("nfb,fb->nf", self.basis(x), self.weights.mean(axis=0))
        scaled: Floats = self.slope[stage][:, None] * shapes
        return scaled

    def _parts(self, x: Floats, content: NDArray[np.float32]) -> tuple[Floats, Floats, Floats]:
        basis, projected = self.basis(x), self.project(content)
        by_feature = np.einsum("nfb,fb->nf", basis, self.weights.mean(axis=0))
        by_content = projected @ self.content_weights.mean(axis=0)
        members = len(self.bias)
        ensemble = (
            basis.reshape(len(x), -1) @ self.weights.reshape(members, -1).T
            + projected @ self.content_weights.T
            + self.bias
        )
        return by_feature, by_content, ensemble

    def basis(self, x: Floats) -> Floats:
        """Missing flag, standardised value and hinges of every feature; shape (items, F, 2 + K)."""
        missing = np.isnan(x)
        z = np.where(missing, 0.0, (x - self.mean) / self.scale)
        hinges = np.maximum(z[:, :, None] - self.knots, 0.0) * ~missing[:, :, None]
        return np.concatenate([missing[:, :, None], z[:, :, None], hinges], axis=2)

    def project(self, content: NDArray[np.float32]) -> Floats:
        """Missing flag and principal components of the content; shape (items, 1 + C)."""
        missing = np.isnan(content[:, :1])
        centred = np.where(missing, 0.0, content - self.content_mean)
        return np.concatenate([missing, centred @ self.components.T], axis=1)

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
