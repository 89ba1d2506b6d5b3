"""Fits the predictor: an ensemble of small networks, calibrated by stage.

The networks of a cross-validation grouped by item give each example an honest held-out logit, on
which it is calibrated. The members learn from everything. All of them learn from boosted trees
beside the labels (see `teacher`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from streamer.judge import stages_of
from streamer.learning import ranks, teacher
from streamer.learning.calibration import calibrate
from streamer.learning.dataset import Dataset
from streamer.learning.learner import Examples
from streamer.learning.lessons import Lessons, Told, plan
from streamer.learning.network import Modality, NetworkOptions
from streamer.recommend.network import Network
from streamer.scoring.predictor import STAGES, Predictor
from streamer.state.features import EXPOSURE, FAMILY, FEATURES, MODALITIES, MODALITY, PRICE

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

BARS = (0.5, 0.65, 0.75, 0.85, 0.9, 0.95, 0.98)
"""Quantiles of the outcome that the networks learn to tell apart beside the label."""
TAUGHT = 0.9
HALF_TAUGHT = 300
"""Of so many launches trees are trusted half as much as of any number: of few they learn what
networks would better not repeat."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """``components`` of the content, ``members`` of the ensemble, ``folds`` that give held-out
    logits; ``taught`` is the weight of the trees' word beside the labels', up to TAUGHT by how many
    launches there are unless told."""

    components: int = 32
    members: int = 5
    folds: int = 5
    taught: float | None = None
    network: NetworkOptions = field(default_factory=NetworkOptions)
    seed: int = 0

    @property
    def steps(self) -> int:
        """How many models are learnt: trees, networks of folds, and members."""
        return 2 * self.folds + self.members

    def taught_of(self, data: Dataset) -> float:
        """The weight of the trees' word on these launches."""
        launches = len(np.unique(data.item))
        return TAUGHT * launches / (launches + HALF_TAUGHT) if self.taught is None else self.taught

    def settled(self, data: Dataset) -> FitOptions:
        """With what is theirs for these launches."""
        return replace(self, taught=self.taught_of(data), network=self.network.settled(len(data)))


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the networks learn from: their ``inputs``, which bars each outcome ``exceeds``, what
    trees that have not seen an example's fold say of it (``taught``), and the frame that the
    networks go into."""

    frame: Predictor
    inputs: Singles
    exceeds: Singles
    modalities: list[Modality]
    folds: list[tuple[Ints, Ints]]
    taught: Floats

    def examples(self, data: Dataset, taught: float) -> Examples:
        """What a network should say of each example is the label, and with this weight the trees'
        word."""
        target = (1 - taught) * data.label + taught * self.taught
        return Examples(self.inputs, target, self.exceeds, self.modalities, _first(data))


def prepare(
    data: Dataset, options: FitOptions, progress: Callable[[int], None] = lambda _: None
) -> Prepared:
    """``progress`` is told how many folds' trees are done."""
    frame = _frame(data, options)
    inputs = frame.inputs(data.x, data.content)
    splits = GroupKFold(options.folds, shuffle=True, random_state=options.seed)
    folds = list(splits.split(inputs, groups=data.item))
    known = np.hstack([data.x, inputs[:, -len(frame.components) :]])
    taught = teacher.held_out(known, data.label, folds, options.seed, progress)
    return Prepared(frame, inputs, _exceeds(data.outcome), _modalities(frame), folds, taught)


def fit(
    data: Dataset,
    options: FitOptions,
    progress: Callable[[int], None] = lambda _: None,
    told: Told = lambda _, __: None,
) -> Predictor:
    """Fits a predictor; ``progress`` is told how many models are learnt, ``told`` of every epoch of
    every network."""
    given = prepare(data, options, progress)
    lessons = ranks.shared(_lessons(given, data, options))
    networks = lessons.learn(lambda done: progress(options.folds + done), told)
    held_out = np.zeros(len(data))
    for (_, test), network in zip(given.folds, networks, strict=False):
        held_out[test] = network(given.inputs[test])
    slope, offset = calibrate(held_out, data, stages_of(given.frame, data.actions))
    members = networks[options.folds :]
    return replace(_together(given.frame, members), slope=slope, offset=offset)


def assist() -> None:
    """What all processes but the first do while that one calls `fit`: learn along (see `ranks`)."""
    cast(Lessons, ranks.shared(None)).learn()


def _lessons(given: Prepared, data: Dataset, options: FitOptions) -> Lessons:
    stopped = options.network.patience > 0
    return Lessons(
        examples=given.examples(data, options.taught_of(data)),
        label=data.label,
        plan=plan(given.folds, options.members, data.item, stopped=stopped),
        options=options.network,
        seed=options.seed * options.steps + options.folds + 1,
    )


def _frame(data: Dataset, options: FitOptions) -> Predictor:
    """A predictor with everything but networks: scales and content components."""
    mean, scale, least, greatest = scales(data.x)
    components, content_mean = principal(data.content, options.components)
    missing = np.isnan(data.x)
    single, nothing = np.zeros(0, np.float32), np.zeros(0, np.int64)
    return Predictor(
        features=FEATURES,
        groups=tuple(MODALITIES),
        group=MODALITY,
        mean=mean,
        scale=scale,
        least=least,
        greatest=greatest,
        values=np.flatnonzero(greatest > least),
        flags=np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)),
        components=components,
        content_mean=content_mean,
        weights1=single,
        bias1=single,
        weights2=single,
        bias2=single,
        weights3=single,
        bias=np.zeros(options.members),
        termed=nothing,
        term=np.zeros((options.members, 0)),
        slope=np.ones(len(STAGES)),
        offset=np.zeros(len(STAGES)),
    )


def _together(frame: Predictor, members: Sequence[Network]) -> Predictor:
    return replace(
        frame,
        weights1=np.stack([member.weights1 for member in members], axis=1),
        bias1=np.stack([member.bias1 for member in members]),
        weights2=np.stack([member.weights2 for member in members]),
        bias2=np.stack([member.bias2 for member in members]),
        weights3=np.stack([member.weights3 for member in members]),
        bias=np.array([member.bias for member in members]),
    )


def _exceeds(outcome: Floats) -> Singles:
    """Which of the bars each outcome is above, (rows, bars)."""
    bars = np.unique(np.quantile(outcome, BARS))
    return (outcome[:, None] > bars).astype(np.float32)


def _first(data: Dataset) -> Ints:
    """The row of the first look at each row's launch."""
    order = np.lexsort((data.age, data.item))
    _, start, launch = np.unique(data.item[order], return_index=True, return_inverse=True)
    found = np.empty(len(data), np.int64)
    found[order] = order[start[launch]]
    return found


def _modalities(frame: Predictor) -> list[Modality]:
    """What an item may come without: its content, price, family and exposure."""
    content = len(frame.values) + len(frame.flags)
    found = [Modality(content + np.arange(len(frame.components)), np.zeros(0, np.int64))]
    for names in (PRICE, FAMILY, EXPOSURE):
        mine = [FEATURES.index(name) for name in names]
        values, flags = (np.flatnonzero(np.isin(of, mine)) for of in (frame.values, frame.flags))
        found.append(Modality(values, len(frame.values) + flags))
    return found


def scales(x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean, scale, least and greatest of each feature over the examples that have it; least and
    greatest leave out one in a thousand on either side, and are equal where there is nothing to
    learn: what never varies must not weigh once it does."""
    mean, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
    least, greatest = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for column in range(x.shape[1]):
        present = x[~np.isnan(x[:, column]), column]
        if len(present) and present.std() > 1e-9:
            mean[column], scale[column] = present.mean(), present.std()
            least[column], greatest[column] = np.quantile(present, [0.001, 0.999])
        elif len(present):
            mean[column] = least[column] = greatest[column] = present.mean()
    return mean, scale, least, greatest


def principal(content: NDArray[np.float32], count: int) -> tuple[Floats, Floats]:
    """Principal components of the distinct content vectors, whitened, and their mean."""
    present = np.unique(content[~np.isnan(content[:, 0])], axis=0).astype(np.float64)
    if len(present) <= count:
        return np.zeros((0, content.shape[1])), np.zeros(content.shape[1])
    mean = present.mean(axis=0)
    _, singular, right = np.linalg.svd(present - mean, full_matrices=False)
    return right[:count] * (np.sqrt(len(present)) / singular[:count, None]), mean
