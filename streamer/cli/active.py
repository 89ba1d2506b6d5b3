"""streamer learn suggest, and evaluate --task active"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from streamer.cli.options import AsJson, Group, Redis
from streamer.errors import ConfigurationError
from streamer.learning.steps import Steps
from streamer.printable import printable
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.learning.study import Study
    from streamer.learning.suggest import Suggestion
    from streamer.report import Results
    from streamer.settings import Settings

COUNTS = (100, 200, 400, 800)
"""Launches with a label, at which strategies are compared."""


def register(app: typer.Typer) -> None:
    learn = typer.Typer(help="What to learn from next.")
    examples = "streamer learn suggest --count 20; streamer learn suggest --board Kitchen --json"
    learn.command("suggest", epilog=f"Examples: {examples}")(suggest)
    app.add_typer(learn, name="learn", no_args_is_help=True)


def suggest(
    count: Annotated[int, typer.Option(min=1, help="So many items.")] = 10,
    board: Annotated[
        str, typer.Option("--board", "--category", help="Of this board: `all` or a category.")
    ] = "all",
    among: Annotated[
        int, typer.Option(min=1, help="Look at so many of the board's items, the best first.")
    ] = 5000,
    as_json: AsJson = False,
    redis: Redis = None,
    group: Group = None,
) -> None:
    """Suggest which live items a human should label, or be shown to find out, and say why."""
    from streamer.learning.suggest import suggest as run
    from streamer.window import open_window

    async def ask() -> list[Suggestion]:
        async with open_window(load(redis=redis, group=group)) as window:
            return await run(window, board, count, among)

    found = asyncio.run(ask())
    if as_json:
        told = [{**dataclasses.asdict(each), "reason": each.reason} for each in found]
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    table = Table("item", "", "P", "stage", "bits", "why", box=None, header_style="bold")
    for each in found:
        table.add_row(
            printable(each.item_id),
            printable(each.title),
            f"{100 * each.probability:.0f} %",
            each.stage,
            f"{each.information:.3f}",
            each.reason,
        )
    Console().print(table)


def measure(
    settings: Settings,
    study: Study,
    seeds: int,
    folder: Path | None,
    steps: Steps,
    results: Results,
) -> None:
    """Prints and reports learning curves of every way to choose, on a study's launches."""
    from streamer.learning.active import Strategy
    from streamer.learning.active_curve import curves, draw
    from streamer.learning.examples import examples

    results.parameters["seeds"] = seeds
    train, of = examples(settings, study, steps)
    launches = len(set(train.item.tolist()))
    if launches <= COUNTS[-1]:
        raise ConfigurationError(
            f"--task active labels up to {COUNTS[-1]} launches one after the other, and there are "
            f"only {launches} to learn from: it needs a larger log"
        )
    with steps.step("learn and choose", seeds * len(Strategy) * len(COUNTS)) as told:
        found = curves(train, of.test, COUNTS, seeds, told)
    table = Table("AUC (calibration error) at", *(f"{count:,} labels" for count in COUNTS))
    (chance,) = (curve for curve in found if curve.strategy is Strategy.RANDOM)
    for curve in found:
        auc, ece, beside = (each.mean(axis=0) for each in (curve.auc, curve.ece, chance.auc))
        cells = [f"{a:.4f} ({e:.4f})" for a, e in zip(auc, ece, strict=True)]
        table.add_row(curve.strategy, *cells)
        for place, count in enumerate(COUNTS):
            name = f"{curve.strategy}.{count}"
            results.add(
                *(f"evaluate.active.auc.{name}", float(auc[place]), "1"),
                peer="random",
                peer_value=float(beside[place]),
            )
            results.add(f"evaluate.active.ece.{name}", float(ece[place]), "1")
    Console(width=110).print(table)
    if folder:
        typer.echo(f"picture: {draw(found, COUNTS, folder)}")
