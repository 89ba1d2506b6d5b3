"""From the raw logs to a bundle: encode, replay, fit, measure, save."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer import __version__, registry
from streamer.learning import launches
from streamer.learning.curve import Curves
from streamer.learning.dataset import Dataset, Launches, Outcome, relabelled
from streamer.learning.encode import encode
from streamer.learning.fit import FitOptions, fit
from streamer.learning.metrics import auc, expected_calibration_error
from streamer.learning.provenance import fingerprint as fingerprint_of
from streamer.learning.provenance import incumbent
from streamer.learning.review_term import graft
from streamer.learning.steps import Steps, summing
from streamer.learning.tensorboard import Board
from streamer.learning.transfer import Transfer, card_lines, learn_reviews
from streamer.registry.bundles import CURVE
from streamer.scoring.predictor import Predictor, stages
from streamer.settings import Settings

Floats = NDArray[np.float64]

CACHE = Path.home() / ".cache" / "streamer"
SUCCESS: dict[Outcome, str] = {
    "buyers": "distinct households",
    "value": "sales value",
    "repeat_rate": "share of buyers who bought again",
    "return_rate": "purchases returned for each made (a high P is bad news)",
}
"""What success means, in words, by outcome."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A saved bundle, its metrics on the test launches, and why it is not in use, if it is not."""

    name: str
    folder: Path
    metrics: dict[str, float]
    refused: str


def train(
    settings: Settings, options: FitOptions, steps: Steps, run: Path, outcome: Outcome = "buyers"
) -> Trained:
    """Trains on Complete Journey's launches, and what reviews say on the clothing reviews; saves
    the bundle and makes it the active one, unless it is worse than that. Where the encoder has no
    sentiment yet, trains that too. ``run`` gets a folder of the bundle's name with TensorBoard's
    events and the learning curve.

    Raises DependencyMissing, ConfigurationError, BundleError.
    """
    name = time.strftime("launch-%Y%m%d-%H%M%S", time.gmtime())
    with Board(run / name) as board:
        train_data, of = examples(settings, steps, outcome)
        curves = Curves(board)
        with steps.step("fit trees and networks", options.steps) as told:
            launch = fit(train_data, options, told, curves)
    curve = curves.draw()
    (run / name / CURVE).write_bytes(curve)
    transfer = learn_reviews(settings, options.members, options.seed, steps)
    predictor = graft(launch, transfer.term)
    metrics = measure(predictor, of.test) | transfer.term.metrics
    manifest = {
        "encoder": of.encoder,
        "dimensions": of.dimensions,
        "metrics": metrics,
        "trained_on": of.about,
        "review_term": {"trained_on": transfer.about, "sentiment": transfer.sentiment},
        "success": {
            name: getattr(of.launches, name)
            for name in ("outcome", "horizon_days", "cohort_days", "quantile")
        },
        "examples": len(train_data),
        "options": asdict(options),
        "data_fingerprint": fingerprint_of(train_data),
        "test_fingerprint": fingerprint_of(of.test),
        "incumbent": incumbent(
            settings.model_store, of.encoder, lambda other: measure(other, of.test)
        ),
    }
    card = _card(transfer, name, of, train_data, metrics, settings.encoder)
    folder = registry.save(settings.model_store, name, predictor, manifest, card, curve)
    refused = registry.activate(settings.model_store, name)
    return Trained(name, folder, metrics, refused)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where examples come from, and those that are kept for the test."""

    about: str
    encoder: str
    dimensions: int
    test: Dataset
    texts: dict[str, str]
    launches: Launches


def examples(
    settings: Settings, steps: Steps, outcome: Outcome = "buyers"
) -> tuple[Dataset, Origin]:
    """The launches to learn from, and the later ones to measure on. Raises DependencyMissing,
    ConfigurationError."""
    source = launches.journey()
    texts = launches.descriptions(source)
    with steps.step("encode descriptions", len(texts)) as told:
        encodings, fingerprint, dimensions = encode(settings, texts, summing(told))
    with steps.step("replay the year", source.total) as told:
        data = launches.dataset(source, encodings, fingerprint, dimensions, CACHE, told)
    which = replace(launches.LAUNCHES, outcome=outcome)
    if which != launches.LAUNCHES:
        with steps.step(f"count {outcome}", 1):
            data = relabelled(data, source, which)
    early = data.launch_day < launches.TEST_FROM_DAY
    words = {text.item_id: text.text for text in texts}
    origin = Origin(source.about, fingerprint, dimensions, data.where(~early), words, which)
    return data.where(early), origin


def age_key(age: float) -> str:
    """What metrics call an age in days."""
    if age < 0:
        return "first_sight"
    return f"{24 * age:g}h" if 0 < age < 1 else f"{age:g}d"


def measure(predictor: Predictor, data: Dataset) -> dict[str, float]:
    """AUC, calibration error and `gap` by age in days; ``age_first_sight`` is before the first
    sale."""
    scores = predictor.score(data.x, data.content, stages(data.actions))
    found: dict[str, float] = {}
    for age in np.unique(data.age):
        mine = data.age == age
        name = age_key(age)
        found[f"auc.age_{name}"] = auc(data.label[mine], scores.logit[mine])
        found[f"ece.age_{name}"] = expected_calibration_error(
            data.label[mine], scores.probability[mine]
        )
    moved = {f"gap.age_{age_key(age)}": value for age, value in gap(data, scores.logit).items()}
    return found | moved


def gap(data: Dataset, logit: Floats) -> dict[float, float]:
    """How far the cold score was off: the mean distance of the logit that an item gets at each age
    from the one that it gets at first sight."""
    cold = dict(zip(data.item[data.age < 0].tolist(), logit[data.age < 0].tolist(), strict=True))
    found = {}
    for age in np.unique(data.age[data.age >= 0]).tolist():
        mine = data.age == age
        before = np.array([cold[item] for item in data.item[mine].tolist()])
        found[age] = float(np.abs(logit[mine] - before).mean())
    return found


def _card(
    transfer: Transfer,
    name: str,
    of: Origin,
    train: Dataset,
    metrics: dict[str, float],
    encoder: str,
) -> str:
    own = _card_lines(name, of, train, metrics, encoder)
    return "\n".join([*own, "", *card_lines(transfer)]) + "\n"


def _card_lines(
    name: str, of: Origin, train: Dataset, metrics: dict[str, float], encoder: str
) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    yield "An ensemble of small networks over content, price, family, exposure and behaviour, taught"
    yield "by boosted trees beside the labels, with a linear term for reviews; calibrated by stage"
    yield f"(Platt) on the latest launches. Written by `streamer train`, streamer {__version__}."
    yield ""
    yield f"- **Trained on** {of.about}"
    yield (
        f"- **Examples** {len(train)} looks at {len(np.unique(train.item))} launches before day "
        f"{launches.TEST_FROM_DAY:g}; tested on {len(np.unique(of.test.item))} launches from then on."
    )
    yield (
        f"- **Success** {SUCCESS[of.launches.outcome]} within {of.launches.horizon_days:g} days "
        f"strictly above the {100 * of.launches.quantile:.0f}th percentile of the launch month; {100 * train.label.mean():.1f} % of the examples."
    )
    yield f"- **Encoder** {encoder}"
    yield "- **What it can't know** this data has no reviews; see below."
    yield ""
    yield "![AUC and loss by epoch](learning.png)"
    yield ""
    yield "| age | AUC | expected calibration error |"
    yield "|---|---|---|"
    for key, value in metrics.items():
        if key.startswith("auc.age_"):
            age = key.removeprefix("auc.age_")
            yield f"| {age} | {value:.3f} | {metrics['ece.age_' + age]:.3f} |"
