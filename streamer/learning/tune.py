"""The search for better training options: Optuna's TPE over an inner split by time.

A trial trains on launches before the last `HELD_OUT_DAYS` of the training launches, a quarter of
their days if these are few, and is measured on those: the test launches are never looked at. Trees
are fitted once; a trial is a few networks,
one after the other, and is pruned when their mean falls behind the median of earlier trials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer import __version__
from streamer.errors import ConfigurationError, DependencyMissing
from streamer.learning.dataset import Dataset
from streamer.learning.fit import FitOptions, Prepared, prepare
from streamer.learning.learner import learn
from streamer.learning.metrics import auc
from streamer.learning.network import NetworkOptions
from streamer.learning.provenance import fingerprint
from streamer.learning.survey import LEAST_LAUNCHES

Floats = NDArray[np.float64]

HELD_OUT_DAYS = 30.0
HELD_OUT_SHARE = 0.25
NETWORKS = 3
"""Of a trial; each of another seed."""
SEEDS_APART = 1_000_003
"""Between the seeds of the sampler in one run and the next."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best options so far, their mean AUC over ages on the held-out launches, that of the
    defaults, and how many trials there are of these launches."""

    options: FitOptions
    auc: float
    default_auc: float
    trials: int


def search(
    data: Dataset,
    trials: int,
    storage: Path,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Found:
    """Runs so many more trials; those of the same looks in ``storage`` (SQLite) count.
    ``progress`` is told how many are done. Raises DependencyMissing, ConfigurationError."""
    try:
        import optuna
    except ImportError:
        raise DependencyMissing("optuna", "learning") from None
    early, late = _split(data)
    study = _opened(storage, f"launch-{fingerprint(data)}-{_inputs(data)}", seed)
    prepared = prepare(early, FitOptions(seed=seed))
    usual = FitOptions().settled(early)
    if _usual(study) is None:
        study.enqueue_trial(stored(usual))

    def objective(trial: Any) -> float:
        options = _suggested(trial, usual.network.batch_of(len(early)))
        scores: list[Floats] = []
        for number in range(NETWORKS):
            scores.append(_score(prepared, early, late, options, number))
            value = _quality(late, np.mean(scores, axis=0))
            trial.report(value, number)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    done = 0

    def finished(*_: Any) -> None:
        nonlocal done
        done += 1
        progress(done)

    study.optimize(objective, n_trials=trials, callbacks=[finished])
    best, ended = _options(study.best_params), sum(t.state.is_finished() for t in study.trials)
    return Found(best, study.best_value, _usual(study) or float("nan"), ended)


def _opened(storage: Path, name: str, seed: int) -> Any:
    """The trials so far of that name. Raises ConfigurationError."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{storage}",
            study_name=name,
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        )
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        told = getattr(error, "orig", None) or error
        raise ConfigurationError(f"{storage} can't hold trials ({told}): name another") from None
    # The same seed would draw what it drew the last time.
    study.sampler = optuna.samplers.TPESampler(seed=seed + SEEDS_APART * len(study.trials))
    return study


def _usual(study: Any) -> float | None:
    """What the options that are used unless told came to; None where no trial of them has ended:
    one that was killed runs for ever."""
    given = (t.value for t in study.trials if t.value and "fixed_params" in t.system_attrs)
    return next(given, None)


def _inputs(data: Dataset) -> str:
    """A hash of what is known of the launches: another encoder's vectors or other features make
    other trials."""
    digest = sha256(__version__.encode())
    for array in (data.x, data.content):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _split(data: Dataset) -> tuple[Dataset, Dataset]:
    """The launches to learn from, and those held out."""
    last = data.launch_day.max()
    days = min(HELD_OUT_DAYS, HELD_OUT_SHARE * (last - data.launch_day.min()))
    early, late = (
        data.where(data.launch_day < last - days),
        data.where(data.launch_day >= last - days),
    )
    counts = [len(np.unique(part.item)) for part in (early, late)]
    if min(counts) < LEAST_LAUNCHES or len(np.unique(late.label)) < 2:
        raise ConfigurationError(
            f"tuning holds out the last {days:.0f} days of the launches to learn from: "
            f"{counts[1]} launches of {sum(counts)}, and both parts need {LEAST_LAUNCHES} and a "
            "success: move first or test_from in the study, or train without it"
        )
    return early, late


def _score(
    prepared: Prepared, early: Dataset, late: Dataset, options: FitOptions, number: int
) -> Floats:
    network = replace(options.network, seed=number)
    learnt = learn(prepared.examples(early, options.taught_of(early)), network)
    return learnt(prepared.frame.inputs(late.x, late.content))


def _quality(data: Dataset, logit: Floats) -> float:
    """The mean AUC over ages."""
    ages = np.unique(data.age)
    return float(np.mean([auc(data.label[data.age == a], logit[data.age == a]) for a in ages]))


def _suggested(trial: Any, batch: int) -> FitOptions:
    """``batch`` is what is used unless told."""
    return _options(
        {
            "width": trial.suggest_int("width", 16, 96, step=16),
            "dropout": trial.suggest_float("dropout", 0.0, 0.4),
            "masked": trial.suggest_float("masked", 0.0, 0.4),
            "imitation": trial.suggest_float("imitation", 0.0, 1.0),
            "epochs": trial.suggest_int("epochs", 3, 20),
            "batch": trial.suggest_categorical("batch", [batch // 2, batch, 2 * batch, 4 * batch]),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 1.0, log=True),
            "taught": trial.suggest_float("taught", 0.0, 0.9),
        }
    )


def _options(values: dict[str, Any]) -> FitOptions:
    """Raises ConfigurationError for values that are no training options."""
    network = {name: value for name, value in values.items() if name != "taught"}
    try:
        return FitOptions(taught=values["taught"], network=NetworkOptions(**network))
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"these are no training options: {error}") from None


def stored(options: FitOptions) -> dict[str, Any]:
    """The options as `tune` writes them and `train` reads them."""
    network = {k: v for k, v in asdict(options.network).items() if k != "seed"}
    return {"taught": options.taught, **network}


def read(values: dict[str, Any], seed: int) -> FitOptions:
    """Raises ConfigurationError for values that are no training options."""
    return replace(_options(values), seed=seed)
