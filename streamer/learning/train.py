"""From the raw logs to a bundle: encode, replay, fit, measure, save."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer import registry
from streamer.judge import stages_of
from streamer.learning.card import card
from streamer.learning.caveats import caveats
from streamer.learning.curve import Curves
from streamer.learning.dataset import Dataset
from streamer.learning.examples import Origin, examples
from streamer.learning.fit import FitOptions, fit
from streamer.learning.metrics import auc, expected_calibration_error
from streamer.learning.provenance import fingerprint as fingerprint_of
from streamer.learning.provenance import incumbent
from streamer.learning.review_term import graft
from streamer.learning.steps import Steps
from streamer.learning.study import Study
from streamer.learning.tensorboard import Board
from streamer.learning.transfer import TERM, Transfer, learn_reviews
from streamer.registry import bundles
from streamer.registry.bundles import CURVE
from streamer.scoring.predictor import Predictor
from streamer.settings import Settings

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trained:
    """A saved bundle, its metrics on the test launches, why it is not in use, if it is not, and what
    is to be known of its labels."""

    name: str
    folder: Path
    metrics: dict[str, float]
    refused: str
    caveats: Sequence[str]


def train(
    settings: Settings, study: Study, options: FitOptions, steps: Steps, run: Path
) -> Trained:
    """Trains on a study's launches; what its log does not tell of reviews, on the clothing reviews.
    Saves the bundle and makes it the active one, unless it is worse than that. Where the encoder has
    no sentiment yet, trains that too. ``run`` gets a folder of the bundle's name with TensorBoard's
    events and the learning curve.

    Raises DependencyMissing, ConfigurationError, BundleError.
    """
    name = claimed(run)
    with Board(run / name) as board:
        data, of = examples(settings, study, steps)
        curves = Curves(board)
        options = options.settled(data)
        with steps.step("fit trees and networks", options.steps) as told:
            launch = fit(data, options, told, curves)
    curve = curves.draw()
    (run / name / CURVE).write_bytes(curve)
    transfer = _transferred(settings, launch, of, options, steps)
    predictor = graft(launch, transfer.term) if transfer else launch
    metrics = measure(predictor, of.test) | (transfer.term.metrics if transfer else {})
    manifest = {
        "encoder": of.reader.fingerprint,
        "dimensions": of.reader.dimensions,
        "metrics": metrics,
        "options": asdict(options),
        **_provenance(of, data, transfer),
        "incumbent": incumbent(
            settings.model_store, of.reader.fingerprint, lambda other: measure(other, of.test)
        ),
    }
    name = bundles.unused(settings.model_store, name)
    told_of = card(name, of, data, predictor, transfer, metrics, settings.encoder)
    folder = registry.save(settings.model_store, name, predictor, manifest, told_of, curve)
    refused = registry.activate(settings.model_store, name)
    return Trained(name, folder, metrics, refused, list(caveats(of.found.outcomes)))


def claimed(run: Path) -> str:
    """A bundle's name that tells the time, and that no other training into the same folder has; its
    folder there is made. Raises OSError."""
    while True:
        name = time.strftime("launch-%Y%m%d-%H%M%S", time.gmtime())
        try:
            (run / name).mkdir(parents=True)
        except FileExistsError:
            time.sleep(0.1)
        else:
            return name


def _transferred(
    settings: Settings, launch: Predictor, of: Origin, options: FitOptions, steps: Steps
) -> Transfer | None:
    """What another shop's reviews say, of what these networks don't read; None where this shop's
    own are learnt from."""
    read = {launch.features[place] for place in launch.values.tolist()}
    features = tuple(name for name in TERM if name not in read)
    if of.found.learns_reviews or not features:
        return None
    return learn_reviews(settings, features, options.members, options.seed, steps)


def _provenance(of: Origin, data: Dataset, transfer: Transfer | None) -> dict[str, Any]:
    """What the manifest says of where a bundle comes from."""
    found: dict[str, Any] = {
        "trained_on": of.study.source.about,
        "study": {"log": of.study.source.name, **of.study.period},
        "success": asdict(of.study.success),
        "examples": len(data),
        "data_fingerprint": fingerprint_of(data),
        "test_fingerprint": fingerprint_of(of.test),
    }
    if of.reader.sentiment:
        found["reviews"] = {
            "learnt_from": len(of.found.reviews),
            "sentiment": of.reader.sentiment.name,
        }
    if transfer:
        found["review_term"] = {"trained_on": transfer.about, "sentiment": transfer.sentiment}
    return found


def age_key(age: float) -> str:
    """What metrics call an age in days, of whole hours."""
    if age < 0:
        return "first_sight"
    days, hours = divmod(round(24 * age), 24)
    return f"{24 * days + hours}h" if hours else f"{days}d"


def measure(predictor: Predictor, data: Dataset) -> dict[str, float]:
    """AUC, calibration error and `gap` by age; ``age_first_sight`` is before anything was done."""
    scores = predictor.score(data.x, data.content, stages_of(predictor, data.actions))
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
