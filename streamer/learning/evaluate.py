"""The predictor beside its baselines: the same launches, the same moments, later than all it
learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigurationError
from streamer.learning.baselines import BASELINES, Given, runs
from streamer.learning.ceiling import ceiling
from streamer.learning.dataset import Dataset, Outcome
from streamer.learning.fit import FitOptions, fit
from streamer.learning.launches import LAUNCHES, TEST_FROM_DAY
from streamer.learning.metrics import Interval, auc, expected_calibration_error
from streamer.learning.steps import Steps, summing
from streamer.learning.train import examples, gap
from streamer.registry import Bundle
from streamer.scoring.explain import Explainer
from streamer.scoring.predictor import Predictor, stages
from streamer.settings import Settings

Floats = NDArray[np.float64]

AGAIN = "the same, trained again"
UNSEEN_FROM_DAY = TEST_FROM_DAY + LAUNCHES.horizon_days
"""By when all is known that is learnt from: launches before it share weeks with those labels."""
DELETIONS = 1000
"""Examples whose top reason is taken away."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way to rank, by age: its AUC, the mean of its seeds', on all launches and then on each
    resample (``areas``), that of each seed, the calibration error of the mean of its seeds where it
    says probabilities, and its AUC on launches ``UNSEEN_FROM_DAY`` and later."""

    name: str
    areas: dict[float, Floats]
    by_seed: dict[float, list[float]]
    ece: dict[float, float]
    unseen: dict[float, float] = field(default_factory=dict)

    def auc(self, age: float) -> Interval:
        return Interval.of(self.areas[age])

    def lead(self, other: Row, age: float) -> Interval:
        """By how much its AUC is above another's on the same launches."""
        return Interval.of(self.areas[age] - other.areas[age])


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``gap`` is the mean distance of the logit an item gets at first sight from the one it gets at
    each age: how far the cold score was off. ``ceiling`` is the AUC at the first sale of whoever
    knew all but chance, where success is counted in buyers. ``faithful`` is the share of examples
    whose score moves the way that its top reason says when that reason's input is taken away."""

    bundle: str
    examples: int
    items: int
    rows: list[Row]
    gap: dict[float, float]
    ceiling: float | None
    faithful: float
    test: Dataset
    probability: Floats


def evaluate(
    settings: Settings, bundle: Bundle, seeds: int, resamples: int, steps: Steps
) -> Evaluation:
    """Ranks the test launches by a bundle, by new trainings with ``seeds`` and by the baselines.

    Intervals are of ``resamples`` draws of items. Raises DependencyMissing, ConfigurationError.
    """
    outcome = bundle.manifest.get("success", {}).get("outcome", "buyers")
    given = _given(settings, bundle, outcome, steps)
    test = given.test
    draws = draws_of(test, resamples)
    own = _scored(bundle.predictor, test)
    rows = [ranked(bundle.name, test, [own[0]], draws, own[1])]
    options = FitOptions()
    with steps.step("train again", seeds * options.steps) as told:
        more = [_again(given, seed, told) for seed in range(seeds)]
    if more:
        mean = np.mean([probability for _, probability in more], axis=0)
        rows += of_seeds(AGAIN, test, [logit for logit, _ in more], draws, mean)
    with steps.step("baselines", sum(len(list(runs(b, seeds))) for b in BASELINES)) as told:
        done = summing(told)
        for baseline in BASELINES:
            scores = []
            for seed in runs(baseline, max(seeds, 1)):
                scores.append(baseline.rank(replace(given, seed=seed)))
                done(1)
            mean = np.mean(scores, axis=0) if baseline.probable else None
            rows += of_seeds(baseline.name, test, scores, draws, mean)
    count = len(np.unique(test.item))
    moved, most = gap(test, own[0]), _ceiling(test) if outcome == "buyers" else None
    true = faithful(bundle.predictor, test)
    return Evaluation(bundle.name, len(test), count, rows, moved, most, true, test, own[1])


def _given(settings: Settings, bundle: Bundle, outcome: Outcome, steps: Steps) -> Given:
    train, of = examples(settings, steps, outcome)
    if of.encoder != bundle.encoder:
        raise ConfigurationError(
            f"bundle {bundle.name} reads another encoder than {settings.encoder}; "
            "set STREAMER_ENCODER to the one it was trained with"
        )
    return Given(train, of.test, of.texts, seed=0)


def _again(given: Given, seed: int, told: Callable[[int], None]) -> tuple[Floats, Floats]:
    options = FitOptions(seed=seed)
    start = seed * options.steps
    predictor = fit(given.train, options, lambda done: told(start + done))
    return _scored(predictor, given.test)


def _scored(predictor: Predictor, data: Dataset) -> tuple[Floats, Floats]:
    scores = predictor.score(data.x, data.content, stages(data.actions))
    return scores.logit, scores.probability


def draws_of(data: Dataset, count: int) -> dict[float, NDArray[np.int64]]:
    """How often each example of an age is drawn in each resample; (resamples, examples)."""
    rng = np.random.default_rng(0)
    found = {}
    for age in np.unique(data.age).tolist():
        size = int((data.age == age).sum())
        drawn = rng.integers(0, size, (count, size))
        found[age] = np.stack([np.bincount(draw, minlength=size) for draw in drawn])
    return found


def ranked(
    name: str,
    data: Dataset,
    scores: Sequence[Floats],
    draws: dict[float, NDArray[np.int64]],
    probability: Floats | None,
) -> Row:
    """A way to rank by its ``scores``, one a seed, and what it says is the probability."""
    areas, by_seed, errors, unseen = {}, {}, {}, {}
    for age, drawn in draws.items():
        mine = data.age == age
        later = mine & (data.launch_day >= UNSEEN_FROM_DAY)
        if 0 < data.label[later].sum() < later.sum():
            unseen[age] = float(np.mean([auc(data.label[later], score[later]) for score in scores]))
        label = data.label[mine]
        one = np.ones((1, int(mine.sum())), np.int64)
        weights = np.vstack([one, drawn])
        found = [weighted_auc(label, score[mine], weights) for score in scores]
        areas[age], by_seed[age] = np.mean(found, axis=0), [float(each[0]) for each in found]
        if probability is not None:
            errors[age] = expected_calibration_error(label, probability[mine])
    return Row(name, areas, by_seed, errors, unseen)


def of_seeds(
    name: str,
    data: Dataset,
    scores: Sequence[Floats],
    draws: dict[float, NDArray[np.int64]],
    mean: Floats | None,
) -> list[Row]:
    """A way to rank, and where several seeds say probabilities, ranking by their ``mean``."""
    rows = [ranked(name, data, scores, draws, mean)]
    if mean is not None and len(scores) > 1:
        rows.append(ranked(f"{name}, averaged", data, [mean], draws, None))
    return rows


def _ceiling(test: Dataset) -> float:
    first = test.where(test.age == 0)
    cohort = (first.launch_day // LAUNCHES.cohort_days).astype(np.int64)
    return ceiling(first.outcome.astype(np.int64) - 1, cohort, LAUNCHES.quantile)


def faithful(predictor: Predictor, data: Dataset, count: int = DELETIONS) -> float:
    """The share of ``count`` random examples whose score, when the input of its top reason is taken
    away, falls where that reason has lifted it and rises where it has lowered it."""
    some = np.random.default_rng(0).choice(len(data), min(count, len(data)), replace=False)
    x, content, stage = data.x[some], data.content[some], stages(data.actions[some])
    explainer = Explainer(predictor)
    scores = predictor.score(x, content, stage)
    weights = explainer.weights(scores)
    top = np.abs(weights).argmax(axis=1)
    without = predictor.score(*explainer.without(x, content, top), stage)
    lifted = weights[np.arange(len(top)), top]
    return float((lifted * (scores.logit - without.logit) > 0).mean())


def weighted_auc(label: NDArray[np.int64], score: Floats, weights: NDArray[np.int64]) -> Floats:
    """Area under the ROC curve with each row of ``weights`` (rows, examples), (rows,)."""
    _, place = np.unique(score, return_inverse=True)
    found = np.empty(len(weights))
    for row, weight in enumerate(weights):
        negative = np.bincount(place, weight * (1 - label))
        below = np.cumsum(negative) - negative / 2
        positive = weight * label
        found[row] = (positive * below[place]).sum() / (positive.sum() * negative.sum())
    return found
