"""The predictor beside its baselines: the same launches, the same moments, later than all it
learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigurationError
from streamer.judge import stages_of
from streamer.learning.baselines import BASELINES, Given, runs
from streamer.learning.ceiling import ceiling
from streamer.learning.dataset import Dataset
from streamer.learning.examples import Origin, examples
from streamer.learning.fit import FitOptions, fit
from streamer.learning.metrics import Interval, auc, expected_calibration_error
from streamer.learning.steps import Steps, summing
from streamer.learning.study import Study
from streamer.learning.train import gap
from streamer.registry import Bundle
from streamer.scoring.explain import Explainer
from streamer.scoring.predictor import Predictor
from streamer.settings import Settings
from streamer.state.features import FEATURES

Floats = NDArray[np.float64]

AGAIN = "the same, trained again"
_BUYERS = FEATURES.index("buyers")
DELETIONS = 1000
"""Examples whose top reason is taken away."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way to rank, by age: its AUC, the mean of its seeds', on all launches and then on each
    resample (``areas``), that of each seed, the calibration error of the mean of its seeds where it
    says probabilities, and its AUC on launches whose weeks no label looks into (``unseen``)."""

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
    each age: how far the cold score was off. ``ceiling`` is the AUC right after the launch of
    whoever knew all but chance, where that can be told. ``faithful`` is the share of examples
    whose score moves the way that its top reason says when that reason's input is taken away.
    ``unseen_from`` is the date from which on no label looks into a launch's weeks."""

    bundle: str
    examples: int
    items: int
    rows: list[Row]
    gap: dict[float, float]
    ceiling: float | None
    faithful: float
    test: Dataset
    probability: Floats
    unseen_from: str = ""


def evaluate(
    settings: Settings, study: Study, bundle: Bundle, seeds: int, resamples: int, steps: Steps
) -> Evaluation:
    """Ranks a study's test launches by a bundle, by new trainings with ``seeds`` and by the
    baselines.

    Intervals are of ``resamples`` draws of items. Raises DependencyMissing, ConfigurationError,
    BundleError.
    """
    train, of = examples(settings, study, steps)
    _check_encoder(bundle, of, settings)
    test, unseen = of.test, study.unseen_from_day
    given = Given(train, test, of.found.words, seed=0)
    draws = draws_of(test, resamples)
    own = _scored(bundle.predictor, test)
    rows = [ranked(bundle.name, test, [own[0]], draws, own[1], unseen)]
    options = FitOptions()
    with steps.step("train again", seeds * options.steps) as told:
        more = [_again(given, seed, told) for seed in range(seeds)]
    if more:
        mean = np.mean([probability for _, probability in more], axis=0)
        rows += of_seeds(AGAIN, test, [logit for logit, _ in more], draws, mean, unseen)
    with steps.step("baselines", sum(len(list(runs(b, seeds))) for b in BASELINES)) as told:
        done = summing(told)
        for baseline in BASELINES:
            scores = []
            for seed in runs(baseline, max(seeds, 1)):
                scores.append(baseline.rank(replace(given, seed=seed)))
                done(1)
            mean = np.mean(scores, axis=0) if baseline.probable else None
            rows += of_seeds(baseline.name, test, scores, draws, mean, unseen)
    count = len(np.unique(test.item))
    moved, most = gap(test, own[0]), _ceiling(of)
    true = faithful(bundle.predictor, test)
    return Evaluation(
        *(bundle.name, len(test), count, rows, moved, most, true, test, own[1]),
        unseen_from=study.launches.date(unseen),
    )


def _check_encoder(bundle: Bundle, of: Origin, settings: Settings) -> None:
    if of.reader.fingerprint != bundle.encoder:
        raise ConfigurationError(
            f"bundle {bundle.name} reads another encoder than {settings.encoder}; "
            "set STREAMER_ENCODER to the one it was trained with"
        )


def _again(given: Given, seed: int, told: Callable[[int], None]) -> tuple[Floats, Floats]:
    options = FitOptions(seed=seed)
    start = seed * options.steps
    predictor = fit(given.train, options, lambda done: told(start + done))
    return _scored(predictor, given.test)


def _scored(predictor: Predictor, data: Dataset) -> tuple[Floats, Floats]:
    scores = predictor.score(data.x, data.content, stages_of(predictor, data.actions))
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
    unseen_from_day: float,
) -> Row:
    """A way to rank by its ``scores``, one a seed, and what it says is the probability."""
    areas, by_seed, errors, unseen = {}, {}, {}, {}
    for age, drawn in draws.items():
        mine = data.age == age
        later = mine & (data.launch_day >= unseen_from_day)
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
    unseen: float,
) -> list[Row]:
    """A way to rank, and where several seeds say probabilities, ranking by their ``mean``."""
    rows = [ranked(name, data, scores, draws, mean, unseen)]
    if mean is not None and len(scores) > 1:
        rows.append(ranked(f"{name}, averaged", data, [mean], draws, None, unseen))
    return rows


def _ceiling(of: Origin) -> float | None:
    """None where success is not counted in buyers, or some launches have had more by then."""
    first, success = of.test.where(of.test.age == 0), of.study.success
    bought = np.rint(np.expm1(first.x[:, _BUYERS]))
    if success.outcome != "buyers" or len(np.unique(bought)) != 1:
        return None
    to_come = (first.outcome - bought).astype(np.int64)
    return ceiling(to_come, of.found.outcomes.cohort(first.item.tolist()), success.quantile)


def faithful(predictor: Predictor, data: Dataset, count: int = DELETIONS) -> float:
    """The share of ``count`` random examples whose score, when the input of its top reason is taken
    away, falls where that reason has lifted it and rises where it has lowered it."""
    some = np.random.default_rng(0).choice(len(data), min(count, len(data)), replace=False)
    x, content, stage = data.x[some], data.content[some], stages_of(predictor, data.actions[some])
    explainer = Explainer(predictor)
    scores = predictor.score(x, content, stage)
    weights = explainer.weights(scores)
    top = np.abs(weights).argmax(axis=1)
    without = predictor.score(*explainer.without(x, content, top), stage)
    lifted = weights[np.arange(len(top)), top]
    return float((lifted * (scores.logit - without.logit) > 0).mean())


def weighted_auc(label: NDArray[np.int64], score: Floats, weights: NDArray[np.int64]) -> Floats:
    """Area under the ROC curve with each row of ``weights`` (rows, examples), (rows,); NaN where
    they leave one outcome alone."""
    _, place = np.unique(score, return_inverse=True)
    found = np.empty(len(weights))
    for row, weight in enumerate(weights):
        negative = np.bincount(place, weight * (1 - label))
        below = np.cumsum(negative) - negative / 2
        positive = weight * label
        pairs = positive.sum() * negative.sum()
        found[row] = (positive * below[place]).sum() / pairs if pairs else np.nan
    return found
