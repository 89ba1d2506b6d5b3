"""Fits the predictor: an additive model with an ensemble for uncertainty, calibrated by stage.

Members are the models of a cross-validation grouped by item, so each example has an honest
out-of-fold logit; on these Platt scaling is fitted for each stage (Platt, 1999). Modality dropout
(Volkovs et al., DropoutNet, NeurIPS 2017) repeats examples with a modality masked, so that a score
without it is learnt and not guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from streamer.learning.dataset import Dataset
from streamer.scoring.predictor import STAGES, Predictor, stages
from streamer.state.features import FAMILY, FEATURES, MODALITIES, PRICE

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FitOptions:
    """``knots`` hinges a feature, ``components`` of the content, ``folds`` members, ``penalty`` the
    inverse strength of the ridge, ``dropout`` the share of examples repeated with modalities masked."""

    knots: int = 4
    components: int = 32
    folds: int = 5
    penalty: float = 0.02
    dropout: float = 0.3
    seed: int = 0


def fit(
    data: Dataset, options: FitOptions, progress: Callable[[int], None] = lambda _: None
) -> Predictor:
    """Fits a predictor; ``progress`` is told how many members are done."""
    shape = _frame(data, options)
    weights, content_weights, bias = [], [], []
    held_out = np.zeros(len(data))
    folds = GroupKFold(options.folds, shuffle=True, random_state=options.seed)
    rng = np.random.default_rng(options.seed)
    for done, (train, test) in enumerate(folds.split(data.x, groups=data.item), start=1):
        model = _fit_member(shape, data.where(_mask(len(data), train)), options, rng)
        design = _design(shape, data.x[test], data.content[test])
        held_out[test] = model.decision_function(design)
        parts = _unpack(shape, model)
        weights.append(parts[0])
        content_weights.append(parts[1])
        bias.append(parts[2])
        progress(done)
    slope, offset = _calibrate(held_out, data)
    return replace(
        shape,
        weights=np.array(weights),
        content_weights=np.array(content_weights),
        bias=np.array(bias),
        slope=slope,
        offset=offset,
    )


def _mask(length: int, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = np.zeros(length, bool)
    mask[indices] = True
    return mask


def _frame(data: Dataset, options: FitOptions) -> Predictor:
    """A predictor with everything but weights: scales, knots and content components."""
    mean, scale, least, greatest, knots = _scales(data.x, options.knots)
    components, content_mean = _principal(data.content, options.components)
    features, count = len(FEATURES), len(components)
    return Predictor(
        features=FEATURES,
        groups=tuple(MODALITIES),
        group=np.array([g for g, names in enumerate(MODALITIES.values()) for _ in names]),
        mean=mean,
        scale=scale,
        least=least,
        greatest=greatest,
        knots=knots,
        components=components,
        content_mean=content_mean,
        weights=np.zeros((1, features, 2 + options.knots)),
        content_weights=np.zeros((1, 1 + count)),
        bias=np.zeros(1),
        slope=np.ones(len(STAGES)),
        offset=np.zeros(len(STAGES)),
    )


def _scales(x: Floats, knots: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Mean, scale, least, greatest and standardised knots of each feature over the examples that
    have it; least and greatest leave out one in a thousand on either side."""
    quantiles = np.linspace(0, 1, knots + 2)[1:-1]
    mean, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
    least, greatest = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    places = np.zeros((x.shape[1], knots))
    for column in range(x.shape[1]):
        present = x[~np.isnan(x[:, column]), column]
        if len(present) and present.std() > 1e-9:
            mean[column], scale[column] = present.mean(), present.std()
            least[column], greatest[column] = np.quantile(present, [0.001, 0.999])
            places[column] = (np.quantile(present, quantiles) - mean[column]) / scale[column]
        elif len(present):
            mean[column] = least[column] = greatest[column] = present.mean()
    return mean, scale, least, greatest, places


def _principal(content: NDArray[np.float32], count: int) -> tuple[Floats, Floats]:
    """Principal components of the distinct content vectors, whitened, and their mean."""
    present = np.unique(content[~np.isnan(content[:, 0])], axis=0).astype(np.float64)
    if len(present) <= count:
        return np.zeros((0, content.shape[1])), np.zeros(content.shape[1])
    mean = present.mean(axis=0)
    _, singular, right = np.linalg.svd(present - mean, full_matrices=False)
    return right[:count] * (np.sqrt(len(present)) / singular[:count, None]), mean


def _design(shape: Predictor, x: Floats, content: NDArray[np.float32]) -> Floats:
    basis = np.moveaxis(shape.basis(x), 0, 2).reshape(len(x), shape.weights[0].size)
    return np.concatenate([basis, shape.project(content)], axis=1)


def _fit_member(
    shape: Predictor, data: Dataset, options: FitOptions, rng: np.random.Generator
) -> LogisticRegression:
    repeated = rng.random(len(data)) < options.dropout
    x, content = _dropped(data.x[repeated], data.content[repeated], rng)
    design = np.concatenate([_design(shape, data.x, data.content), _design(shape, x, content)])
    _silence_constants(design)
    label = np.concatenate([data.label, data.label[repeated]])
    model = LogisticRegression(C=options.penalty, max_iter=500, tol=1e-3)
    return model.fit(design, label)


def _dropped(
    x: Floats, content: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Floats, NDArray[np.float32]]:
    """The examples with each modality that an item may come without masked in half of them."""
    x, content = x.copy(), content.copy()
    content[rng.random(len(x)) < 0.5] = np.nan
    for names in (PRICE, FAMILY):
        start = FEATURES.index(names[0])
        x[rng.random(len(x)) < 0.5, start : start + len(names)] = np.nan
    return x, content


def _silence_constants(design: Floats) -> None:
    """What is the same in every example (such as a feature that is always missing) has nothing to
    teach; left in, it would share the intercept's work, and weigh once it changes."""
    design[:, np.ptp(design, axis=0) == 0] = 0.0


def _unpack(shape: Predictor, model: LogisticRegression) -> tuple[Floats, Floats, float]:
    coefficients = model.coef_[0]
    basis = shape.weights.shape[1] * shape.weights.shape[2]
    by_feature = coefficients[:basis].reshape(shape.weights.shape[1:])
    return by_feature, coefficients[basis:], float(model.intercept_[0])


def _calibrate(logit: Floats, data: Dataset) -> tuple[Floats, Floats]:
    """Platt scaling of held-out logits, for each stage that has examples of both outcomes."""
    slope, offset = np.ones(len(STAGES)), np.zeros(len(STAGES))
    stage = stages(data.actions)
    for number in range(len(STAGES)):
        mine = stage == number
        if 0 < data.label[mine].sum() < mine.sum():
            platt = LogisticRegression(C=1e6).fit(logit[mine, None], data.label[mine])
            slope[number], offset[number] = platt.coef_[0, 0], platt.intercept_[0]
    return slope, offset
