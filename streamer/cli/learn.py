"""streamer train | tune"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.cli.options import MAX_SEED, Report, StudyFile
from streamer.cli.progress import ProgressSteps
from streamer.errors import BundleError, ConfigurationError
from streamer.printable import printable
from streamer.report import writable, writable_folder
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.learning.fit import FitOptions


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: streamer train --report train.json; streamer train --study study.toml; "
        "streamer train --outcome value; "
        "torchrun --nproc-per-node 4 -m -- streamer train"
    )(train)
    app.command(
        epilog="Examples: streamer tune --trials 40, then streamer train --tuned runs/tuned.json; "
        "streamer tune --study study.toml"
    )(tune)


class Of(StrEnum):
    """What is counted of a launch: success is to be among the best by it."""

    BUYERS = "buyers"
    VALUE = "value"
    REPEAT_RATE = "repeat_rate"
    RETURN_RATE = "return_rate"


Run = Annotated[
    Path,
    typer.Option(
        file_okay=False,
        callback=writable_folder,
        help="TensorBoard's events and learning curves.",
    ),
]


def train(
    study: StudyFile = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of folds and masks.")] = 0,
    tuned: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Options that `tune` found.")
    ] = None,
    outcome: Annotated[
        Of | None,
        typer.Option(
            help="What of a launch is compared with its cohort's to call it a success.",
            show_default="buyers, or the study's",
        ),
    ] = None,
    patience: Annotated[
        int,
        typer.Option(
            min=0,
            help="Stop a network after so many epochs without a better AUC on launches that it "
            "leaves out for that; 0 learns from all, for a fixed number of epochs.",
        ),
    ] = 0,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="At most so many.",
            show_default="8 to 16 by how many examples there are, or --tuned's",
        ),
    ] = None,
    accumulate: Annotated[int, typer.Option(min=1, help="Passes that make one step.")] = 1,
    mixed: Annotated[
        bool | None,
        typer.Option(
            "--mixed/--single",
            help="Multiply in bf16 (or fp16), or in single precision.",
            show_default="mixed on a GPU",
        ),
    ] = None,
    run: Run = Path("runs/train"),
    report: Report = None,
) -> None:
    """Train the predictor on a log's launches and reviews; save and activate the bundle.

    Started by torchrun, all its processes learn together.
    """
    from streamer.learning import ranks
    from streamer.learning.fit import FitOptions, assist

    options = _tuned(tuned, seed) if tuned else FitOptions(seed=seed)
    changed: dict[str, Any] = {"patience": patience, "accumulate": accumulate, "mixed": mixed}
    if epochs is not None:
        changed["epochs"] = epochs
    options = replace(options, network=replace(options.network, **changed))
    with ranks.together() as first:
        if first:
            _train(options, study, outcome, run, report, tuned)
        else:
            assist()


def _train(
    options: FitOptions,
    study: Path | None,
    outcome: Of | None,
    run: Path,
    report: Path | None,
    tuned: Path | None,
) -> None:
    from streamer.learning.study_file import open_study
    from streamer.learning.train import train as learn
    from streamer.report import Results, write

    settings = load()
    of = open_study(study, settings)
    if outcome:
        of = replace(of, success=replace(of.success, outcome=outcome.value))
    about = {"seed": options.seed, "tuned": _name(tuned), "study": _name(study)}
    results = Results("train", {**asdict(options.network), **about, **asdict(of.success)})
    trained = learn(settings, of, options, ProgressSteps(), run)
    if of.source.told:
        typer.echo(f"left out of the log: {printable(of.source.told)}", err=True)
    for caveat in trained.caveats:
        typer.echo(f"to be known: {caveat}", err=True)
    for name, value in trained.metrics.items():
        results.add(f"train.{name}", value, "1")
        typer.echo(f"{name:<32} {value:.4f}")
    again = f" --study {study}" if study else ""
    typer.echo(
        f"saved: {trained.folder}; see how good it is: streamer evaluate {trained.name}{again}"
    )
    write(results, report)
    in_use(trained.refused)


def _name(path: Path | None) -> str | None:
    return str(path) if path else None


def _tuned(path: Path, seed: int) -> FitOptions:
    from streamer.learning.tune import read

    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigurationError(f"{path} is not what tune writes: {error}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} is not what tune writes: {values!r}")
    return read(values, seed)


def tune(
    study: StudyFile = None,
    trials: Annotated[int, typer.Option(min=1, help="So many more.")] = 30,
    storage: Annotated[
        Path,
        typer.Option(
            dir_okay=False,
            callback=writable,
            help="The trials, SQLite; those of the same launches count.",
        ),
    ] = Path("runs/tune.sqlite"),
    output: Annotated[
        Path,
        typer.Option(
            dir_okay=False, callback=writable, help="Write the best options to this JSON file."
        ),
    ] = Path("runs/tuned.json"),
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of the sampler and of folds.")
    ] = 0,
    report: Report = None,
) -> None:
    """Search for better training options on the last of the launches that training sees."""
    from streamer.learning.examples import examples
    from streamer.learning.study_file import open_study
    from streamer.learning.tune import search, stored
    from streamer.report import Results, write

    results = Results("tune", {"trials": trials, "seed": seed, "study": _name(study)})
    settings, steps = load(), ProgressSteps()
    data, _ = examples(settings, open_study(study, settings), steps)
    with steps.step("trials", trials) as told:
        found = search(data, trials, storage, seed, told)
    output.write_text(json.dumps(stored(found.options), indent=2) + "\n")
    results.add("tune.auc", found.auc, "1", peer="defaults", peer_value=found.default_auc)
    results.add("tune.trials", found.trials, "1")
    write(results, report)
    typer.echo(f"mean AUC {found.auc:.4f}, defaults {found.default_auc:.4f}; {found.trials} trials")
    again = f" --study {study}" if study else ""
    typer.echo(f"saved: {output}; use it with: streamer train --tuned {output}{again}")


def in_use(refused: str) -> None:
    """Raises BundleError where a saved bundle is not."""
    if refused:
        raise BundleError(refused)
    typer.echo("in use from now on")
