"""The review term of the launch predictor, learnt from another shop's reviews by replay.

The launches that the predictor learns from have no reviews. The clothing reviews are replayed
through the state code that serves, garments are looked at while their reviews are few, and the term
learns which of them later customers recommend more than most. It is linear in each feature, never
falls as one rises, is zero on average over garments with reviews, and is zero where there are none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from streamer.events import Behaviour
from streamer.learning.looks import Looks
from streamer.learning.metrics import above, auc, expected_calibration_error
from streamer.replay.record import Source
from streamer.scoring.predictor import Predictor
from streamer.state.features import FEATURES

AGES_DAYS = (3.0, 7.0, 14.0, 28.0, 56.0)
LATER_REVIEWS = 10
"""A garment with fewer reviews after a look has no share to speak of, and is not learnt from."""
LATER_QUANTILE = 0.8
"""Above it a garment's later reviews are many: success as launches mean it, a second yardstick."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Examples:
    """Looks at garments with reviews: ``x`` (rows, features); ``label`` is 1 where the share of
    later reviews that recommend the garment is above the median of its age, ``many`` where there
    are more of them than for most; ``age`` in days, ``item``."""

    x: Floats
    label: Labels
    many: Labels
    age: Floats
    item: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class ReviewTerm:
    """What ``features`` add to the logit: (clip(x, least, greatest) - mean) / scale times
    ``weights``, which are never negative; shape (members, features), the others (features,)."""

    features: tuple[str, ...]
    mean: Floats
    scale: Floats
    least: Floats
    greatest: Floats
    weights: Floats
    metrics: dict[str, float]

    def standardised(self, x: Floats) -> Floats:
        """0 where a feature is missing; shape as ``x``."""
        z = (np.clip(x, self.least, self.greatest) - self.mean) / self.scale
        return np.where(np.isnan(x), 0.0, z)


def examples(looks: Looks, source: Source, recommended: Mapping[str, int]) -> Examples:
    """The looks that can be learnt from, labelled by what came after them; ``recommended`` is by
    event id."""
    said: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for record in source:
        event = record.value
        if isinstance(event, Behaviour) and event.event_id:
            said[event.item_id].append((event.time, recommended[event.event_id]))
    later = [_later(said[i], t) for i, t in zip(looks.item.tolist(), looks.time, strict=True)]
    count, share = np.array([len(after) for after in later]), np.array([_mean(a) for a in later])
    reviewed = ~np.isnan(looks.x[:, FEATURES.index("rating")])
    known = reviewed & (count >= LATER_REVIEWS)
    age = looks.age[known]
    return Examples(
        x=looks.x[known],
        label=above(share[known], age, 0.5),
        many=above(count[known].astype(np.float64), age, LATER_QUANTILE),
        age=age,
        item=looks.item[known],
    )


def _later(said: list[tuple[float, int]], moment: float) -> list[int]:
    return [recommends for time, recommends in said if time > moment]


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else np.nan


def fit_term(data: Examples, features: tuple[str, ...], members: int, seed: int) -> ReviewTerm:
    """Fits a member on all garments but one fold's, and measures on those it has not seen."""
    x = data.x[:, [FEATURES.index(name) for name in features]]
    shape = ReviewTerm(
        features,
        mean=np.nanmean(x, axis=0),
        scale=np.nanstd(x, axis=0),
        least=np.nanmin(x, axis=0),
        greatest=np.nanmax(x, axis=0),
        weights=np.zeros((members, len(features))),
        metrics={},
    )
    z = shape.standardised(x)
    held_out, weights = np.zeros(len(x)), []
    folds = GroupKFold(members, shuffle=True, random_state=seed)
    for train, test in folds.split(z, groups=data.item):
        weight, intercept = _rising(z[train], data.label[train])
        held_out[test] = z[test] @ weight + intercept
        weights.append(weight)
    metrics = _measure(data, held_out)
    return replace(shape, weights=np.array(weights), metrics=metrics)


def _rising(z: Floats, label: Labels) -> tuple[Floats, float]:
    """A logistic regression without negative weights: features that would have one are left out."""
    weight, left = np.zeros(z.shape[1]), np.ones(z.shape[1], bool)
    intercept = 0.0
    while left.any():
        model = LogisticRegression().fit(z[:, left], label)
        intercept = float(model.intercept_[0])
        if (model.coef_[0] >= 0).all():
            weight[left] = model.coef_[0]
            break
        left[left] = model.coef_[0] >= 0
    return weight, intercept


def _measure(data: Examples, logit: Floats) -> dict[str, float]:
    """On garments that the member has not seen."""
    found = {
        "review_term.auc": auc(data.label, logit),
        "review_term.ece": expected_calibration_error(data.label, 1 / (1 + np.exp(-logit))),
        "review_term.base_rate": float(data.label.mean()),
        "review_term.auc_of_volume": auc(data.many, logit),
        "review_term.looks": float(len(data.label)),
        "review_term.items": float(len(np.unique(data.item))),
    }
    for age in np.unique(data.age):
        mine = data.age == age
        found[f"review_term.auc.age_{age:g}d"] = auc(data.label[mine], logit[mine])
    return found


def graft(predictor: Predictor, term: ReviewTerm) -> Predictor:
    """The predictor with the term beside its networks.

    Both must have as many members.
    """
    placed = np.array([predictor.features.index(name) for name in term.features])
    given = {
        name: getattr(predictor, name).copy() for name in ("mean", "scale", "least", "greatest")
    }
    for name, array in given.items():
        array[placed] = getattr(term, name)
    return replace(predictor, termed=placed, term=term.weights, **given)
