"""What choosing the launches to learn from is worth: learning curves by strategy, beside chance.

Beside them pseudo-labels (Lee, 2013): launches taken by chance as in chance, and a second training
that also learns from others, by what the first says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.errors import DependencyMissing
from streamer.judge import stages_of
from streamer.learning.active import Pool, Strategy, choose
from streamer.learning.dataset import Dataset
from streamer.learning.fit import FitOptions, fit
from streamer.learning.metrics import auc, expected_calibration_error
from streamer.learning.network import BATCH, NetworkOptions
from streamer.scoring.predictor import Predictor

Floats = NDArray[np.float64]

AGE_DAYS = 0.0
"""The age at which launches are chosen and measured: right after the launch."""
UPDATES = 400
"""Steps that a network takes at least, however few the labels."""
PSEUDO_LAUNCHES = 2000
"""Launches without a label that pseudo-labels are given to."""
PICTURE = "active.png"


@dataclass(frozen=True, slots=True)
class Curve:
    """A strategy's AUC and calibration error on the test launches, (seeds, counts)."""

    strategy: Strategy
    auc: Floats
    ece: Floats


def curves(
    train: Dataset,
    test: Dataset,
    counts: Sequence[int],
    seeds: int,
    told: Callable[[int], None] = lambda _: None,
    strategies: Sequence[Strategy] = tuple(Strategy),
) -> list[Curve]:
    """Every strategy starts from the same random ``counts[0]`` launches, chooses as many more as the
    next count asks for, learns from all looks at them, and so on. ``told`` is told how many models
    were fitted."""
    fresh = test.where(test.age == AGE_DAYS)
    found = {strategy: np.zeros((2, seeds, len(counts))) for strategy in strategies}
    done = 0
    for seed in range(seeds):
        start = _start(train, counts[0], seed)
        first = _learn(train, start, seed)
        for strategy in strategies:
            labelled, predictor, pseudo = start, first, strategy is Strategy.PSEUDO
            for place, count in enumerate(counts):
                if place:
                    more = count - counts[place - 1]
                    labelled = _grown(strategy, train, labelled, predictor, more, seed)
                    predictor = _learn(train, labelled, seed)
                judged = _taught(train, labelled, predictor, seed) if pseudo else predictor
                found[strategy][:, seed, place] = _measured(judged, fresh)
                done += 1
                told(done)
    return [Curve(strategy, *both) for strategy, both in found.items()]


def _start(train: Dataset, count: int, seed: int) -> NDArray[np.str_]:
    return np.random.default_rng(seed).permutation(np.unique(train.item))[:count]


def _learn(train: Dataset, items: NDArray[np.str_], seed: int) -> Predictor:
    return _fitted(train.where(np.isin(train.item, items)), seed)


def _taught(train: Dataset, items: NDArray[np.str_], predictor: Predictor, seed: int) -> Predictor:
    """Learns from the labelled launches, and from others as the predictor tells them apart,
    calibrated as it is."""
    known = np.isin(train.item, items)
    others = np.random.default_rng(seed).permutation(np.unique(train.item[~known]))
    rest = train.where(np.isin(train.item, others[:PSEUDO_LAUNCHES]))
    told = train.where(known)
    found = _fitted(joined(told, pseudo_labelled(rest, told, predictor)), seed)
    return replace(found, slope=predictor.slope, offset=predictor.offset)


def pseudo_labelled(rest: Dataset, known: Dataset, predictor: Predictor) -> Dataset:
    """Launches with the outcomes that are distributed as those known, the greatest for those that
    the predictor thinks most of in the mean of its looks at them."""
    logit = predictor.score(rest.x, rest.content, stages_of(predictor, rest.actions)).logit
    _, launch, looks = np.unique(rest.item, return_inverse=True, return_counts=True)
    mean = np.bincount(launch, logit) / looks
    share = (mean.argsort().argsort() + 0.5) / len(mean)
    _, first = np.unique(known.item, return_index=True)
    order = first[np.lexsort((known.outcome[first], known.label[first]))]
    like = order[(share * len(order)).astype(np.int64)][launch]
    return replace(rest, outcome=known.outcome[like], label=known.label[like])


def joined(one: Dataset, other: Dataset) -> Dataset:
    """The examples of both."""
    pairs = ((getattr(one, name), getattr(other, name)) for name in Dataset.__slots__)
    return Dataset(*map(np.concatenate, pairs))


def _fitted(data: Dataset, seed: int) -> Predictor:
    usual = NetworkOptions()
    epochs = max(usual.epochs_of(len(data)), -(-UPDATES * BATCH // len(data)))
    network = replace(usual, epochs=epochs, batch=BATCH)
    return fit(data, FitOptions(folds=3, network=network, seed=seed))


def _grown(
    strategy: Strategy,
    train: Dataset,
    labelled: NDArray[np.str_],
    predictor: Predictor,
    more: int,
    seed: int,
) -> NDArray[np.str_]:
    """The labelled launches, and those that the strategy chooses by the predictor."""
    looks = train.where(train.age == AGE_DAYS)
    known = np.isin(looks.item, labelled)
    vectors = predictor.inputs(looks.x, looks.content).astype(np.float64)
    fresh = looks.where(~known)
    scores = predictor.score(fresh.x, fresh.content, stages_of(predictor, fresh.actions))
    pool = Pool(scores.logit, scores.uncertainty, vectors[~known])
    chosen = choose(strategy, pool, more, vectors[known], seed)
    return np.concatenate([labelled, fresh.item[chosen]])


def _measured(predictor: Predictor, data: Dataset) -> tuple[float, float]:
    scores = predictor.score(data.x, data.content, stages_of(predictor, data.actions))
    return (
        auc(data.label, scores.logit),
        expected_calibration_error(data.label, scores.probability),
    )


def draw(found: Sequence[Curve], counts: Sequence[int], folder: Path) -> Path:
    """AUC and calibration error by number of labels, as a picture; with the spread of the seeds.
    Raises DependencyMissing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DependencyMissing("matplotlib (for the picture)", "learning") from None
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("auc", "ece"), strict=True):
        for curve in found:
            values = getattr(curve, name)
            mean, spread = values.mean(axis=0), values.std(axis=0)
            style = "--" if curve.strategy is Strategy.RANDOM else "-"
            axes.plot(counts, mean, style, marker="o", label=curve.strategy)
            axes.fill_between(counts, mean - spread, mean + spread, alpha=0.1)
        axes.set_xscale("log")
        axes.set_xticks(counts, [f"{count:,}" for count in counts])
        axes.minorticks_off()
        axes.set_xlabel("launches with a label")
        axes.set_ylabel({"auc": "AUC right after the launch", "ece": "calibration error"}[name])
        axes.grid(True, alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(folder / PICTURE, dpi=110)
    return folder / PICTURE
