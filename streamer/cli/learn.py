"""streamer train"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streamer.cli.options import Report
from streamer.settings import load


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: streamer train --report train.json")(train)


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
    """Train the predictor on Complete Journey's launches; save and activate the bundle."""
    from streamer.learning.fit import FitOptions
    from streamer.learning.train import train as run
    from streamer.report import Results, write

    results = Results("train", {"seed": seed})
    trained = run(load(), FitOptions(seed=seed), ProgressSteps())
    for name, value in trained.metrics.items():
        results.add(f"train.{name}", value, "1")
        typer.echo(f"{name:<24} {value:.4f}")
    typer.echo(f"saved and active: {trained.folder}")
    write(results, report)
