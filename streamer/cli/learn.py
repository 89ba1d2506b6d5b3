"""streamer train | finetune"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streamer.cli.options import Report
from streamer.errors import BundleError
from streamer.settings import load


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: streamer train --report train.json")(train)
    app.command(epilog="Example: streamer finetune --method frozen --report head.json")(finetune)


class Method(StrEnum):
    """How much of the encoder learns."""

    FROZEN = "frozen"


class ProgressSteps:
    """Steps of long work as progress bars on stderr."""

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("{task.description:<24}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(name, total=total)
            yield lambda done: progress.update(task, completed=done)
            progress.update(task, completed=total)


def train(
    seed: Annotated[int, typer.Option(help="Seed of folds and masks.")] = 0,
    report: Report = None,
) -> None:
    """Train the predictor on real launches and reviews; save and activate the bundle."""
    from streamer.learning.fit import FitOptions
    from streamer.learning.train import train as run
    from streamer.report import Results, write

    results = Results("train", {"seed": seed})
    trained = run(load(), FitOptions(seed=seed), ProgressSteps())
    for name, value in trained.metrics.items():
        results.add(f"train.{name}", value, "1")
        typer.echo(f"{name:<32} {value:.4f}")
    typer.echo(f"saved: {trained.folder}")
    write(results, report)
    _in_use(trained.refused)


def finetune(
    method: Annotated[
        Method, typer.Option(help="What learns: frozen = a head on the encoder as it is.")
    ] = Method.FROZEN,
    seed: Annotated[int, typer.Option(help="Seed of the dev split.")] = 0,
    report: Report = None,
) -> None:
    """Train the sentiment of reviews on real ones; save the bundle, which encoders then use."""
    from streamer.learning.finetune import BASELINE
    from streamer.learning.finetune import finetune as run
    from streamer.report import Results, write

    results = Results("finetune", {"method": method.value, "seed": seed})
    tuned = run(load(), seed, ProgressSteps())
    for name, value in tuned.metrics.items():
        peer = tuned.baseline[name]
        results.add(f"sentiment.en_{name}", value, "1", peer=BASELINE, peer_value=peer)
        typer.echo(f"{name:<12} {value:.4f}   {BASELINE} {peer:.4f}")
    typer.echo(f"\n{tuned.text}\nsaved: {tuned.folder}")
    write(results, report)
    _in_use(tuned.refused)


def _in_use(refused: str) -> None:
    if refused:
        raise BundleError(refused)
    typer.echo("in use from now on")
