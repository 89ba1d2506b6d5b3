"""streamer evaluate"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from streamer.cli import active, evaluate_recommend
from streamer.cli.options import Pictures, Report, StudyFile
from streamer.cli.progress import ProgressSteps
from streamer.errors import ConfigurationError
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.learning.evaluate import Evaluation
    from streamer.learning.study import Study
    from streamer.registry import Bundle
    from streamer.report import Results
    from streamer.settings import Settings


BEFORE_STUDIES = {"log": "Complete Journey", "test_from": "2017-08-09"}
"""What bundles learnt from that tell no study."""


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: streamer evaluate --report v.json --folder evaluation; "
        "streamer evaluate --study study.toml; "
        "streamer evaluate --task recommend --report r.json; "
        "streamer evaluate --task active --seeds 3 --folder active"
    )(evaluate)


class Task(StrEnum):
    """What is evaluated."""

    LAUNCH = "launch"
    RECOMMEND = "recommend"
    ACTIVE = "active"


BundleName = Annotated[
    str | None, typer.Argument(help="A bundle's name.", show_default="the one in use")
]
Evaluated = Annotated[
    Task,
    typer.Option(
        help="launch = which new items succeed; recommend = who buys which new item, learnt "
        "anew on the bundle's scores; active = ways to choose the launches to learn from."
    ),
]
Seeds = Annotated[
    int,
    typer.Option(min=0, help="New trainings, and runs of baselines that have a seed (launch)."),
]
Resamples = Annotated[
    int, typer.Option(min=20, help="Bootstrap draws of launches or users for the intervals.")
]
Remembered = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Items of a user's past that make a taste (recommend).",
        show_default="what the state keeps",
    ),
]


def evaluate(
    bundle: BundleName = None,
    task: Evaluated = Task.LAUNCH,
    study: StudyFile = None,
    seeds: Seeds = 5,
    resamples: Resamples = 200,
    remembered: Remembered = None,
    folder: Pictures = None,
    report: Report = None,
) -> None:
    """Compare a model with its baselines on launches later than all it learnt from."""
    from streamer import registry
    from streamer.learning.study_file import open_study
    from streamer.report import Results, write
    from streamer.state.users import REMEMBERED_ITEMS

    if study and task is Task.RECOMMEND:
        raise ConfigurationError(
            "--task recommend knows the weeks of Complete Journey alone: leave --study out"
        )
    if remembered and task is not Task.RECOMMEND:
        raise ConfigurationError("--remembered is about users' tastes: add --task recommend")
    if folder and task is Task.RECOMMEND:
        raise ConfigurationError("--task recommend draws no pictures: leave --folder out")
    settings, steps = load(), ProgressSteps()
    results = Results("evaluate", {"task": task, "study": str(study) if study else None})
    if task is Task.ACTIVE:
        of = open_study(study, settings)
        active.measure(settings, of, max(seeds, 1), folder, steps, results)
        write(results, report)
        return
    store = settings.model_store
    model = registry.load(store, bundle) if bundle else registry.active(store)
    of = open_study(study, settings)
    results.parameters |= {"bundle": model.name, "resamples": resamples}
    if task is Task.RECOMMEND:
        kept = remembered or REMEMBERED_ITEMS
        evaluate_recommend.evaluate(settings, of, model, kept, resamples, steps, results)
    else:
        results.parameters["seeds"] = seeds
        of = _by(of, model, told=bool(study))
        _launch(settings, of, model, seeds, resamples, folder, results)
    write(results, report)


def _by(of: Study, model: Bundle, *, told: bool) -> Study:
    """The study that a bundle is measured by: where none was ``told``, one with its own success.
    Raises ConfigurationError where that can't be counted there."""
    from streamer.success import Success

    own = Success.of(model.manifest)
    study = model.manifest.get("study", BEFORE_STUDIES)
    learnt_from, test_from = study["log"], of.period["test_from"]
    if learnt_from == of.source.name and study["test_from"] > test_from:
        typer.echo(
            f"{model.name} has learnt from launches before {study['test_from']}, and those from "
            f"{test_from} on are measured here: its own row says nothing, see the new trainings'",
            err=True,
        )
    if not told and learnt_from != of.source.name:
        typer.echo(
            f"{model.name} learnt from {learnt_from} and is measured on {of.source.name}: "
            "--study measures it on its own log",
            err=True,
        )
    if not told and own.horizon_days > of.success.horizon_days:
        raise ConfigurationError(
            f"{model.name} follows launches for {own.horizon_days:g} days, those of {of.source.name} "
            f"can be followed for {of.success.horizon_days:g}: measure it with --study"
        )
    if not told:
        return replace(of, success=own)
    if own != of.success:
        typer.echo(
            f"{model.name} tells P of another success ({own.words}) than the study "
            f"({of.success.words}): its calibration error is told by the study's",
            err=True,
        )
    return of


def _launch(
    settings: Settings,
    of: Study,
    model: Bundle,
    seeds: int,
    resamples: int,
    folder: Path | None,
    results: Results,
) -> None:
    from streamer.learning.evaluate import evaluate as run
    from streamer.learning.pictures import draw

    found = run(settings, of, model, seeds, resamples, ProgressSteps())
    _tabulate(found)
    _report(found, results)
    if folder:
        draw(found, folder, model.curve)
        typer.echo(f"pictures: {folder / 'index.html'}")


def _tabulate(found: Evaluation) -> None:
    from streamer.learning.pictures import age_name

    ages = list(found.rows[0].areas)
    title = f"AUC on {found.items:,} launches (95 % bootstrap intervals)"
    table = Table("", *map(age_name, ages), title=title)
    for row in found.rows:
        cells = (row.auc(age) for age in ages)
        table.add_row(row.name, *(f"{c.value:.4f}\n{c.least:.3f}-{c.greatest:.3f}" for c in cells))
    first = found.rows[0]
    for row in found.rows:
        if row.ece:
            name = "calibration error" if row is first else f"that of {row.name}"
            table.add_row(name, *(f"{row.ece[age]:.4f}" for age in ages))
    table.add_row("logit moved since first sight", *(_moved(found, age) for age in ages))
    lead = Table("", *map(age_name, ages), title="ahead by (95 % intervals of the difference)")
    for row in found.rows[1:]:
        cells = (first.lead(row, age) for age in ages)
        lead.add_row(
            row.name, *(f"{c.value:+.4f}\n{c.least:+.3f} {c.greatest:+.3f}" for c in cells)
        )
    console = Console(width=160)
    console.print(table)
    console.print(lead)
    if first.unseen:
        console.print(_unseen(found, ages))
    typer.echo(
        "a score whose top reason is taken away moves as that reason says: "
        f"{100 * found.faithful:.1f} %"
    )
    if found.ceiling is not None:
        typer.echo(f"whoever knew all but chance, right after the launch: {found.ceiling:.3f}")


def _unseen(found: Evaluation, ages: Sequence[float]) -> Table:
    from streamer.learning.pictures import age_name

    title = f"AUC on launches from {found.unseen_from} on, whose weeks no label looks into"
    table = Table("", *map(age_name, ages), title=title)
    for row in found.rows:
        table.add_row(row.name, *(f"{row.unseen[age]:.4f}" for age in ages))
    return table


def _moved(found: Evaluation, age: float) -> str:
    return f"{found.gap[age]:.2f}" if age in found.gap else ""


def _report(found: Evaluation, results: Results) -> None:
    from streamer.learning.train import age_key

    own, *others = found.rows
    results.add("evaluate.faithful_reasons", found.faithful, "1")
    if found.ceiling is not None:
        results.add("evaluate.ceiling.age_0d", found.ceiling, "1")
    for age in own.areas:
        name, interval = age_key(age), own.auc(age)
        results.add(f"evaluate.auc.age_{name}", interval.value, "1")
        results.add(f"evaluate.auc.age_{name}.least", interval.least, "1")
        results.add(f"evaluate.auc.age_{name}.greatest", interval.greatest, "1")
        results.add(f"evaluate.ece.age_{name}", own.ece[age], "1")
        if age in own.unseen:
            results.add(f"evaluate.auc_unseen.age_{name}", own.unseen[age], "1")
        if age in found.gap:
            results.add(f"evaluate.gap.age_{name}", found.gap[age], "1")
        for row in others:
            value = row.auc(age).value
            results.add(
                f"evaluate.auc.age_{name}", interval.value, "1", peer=row.name, peer_value=value
            )
            if age in row.ece:
                results.add(f"evaluate.ece.age_{name}.{row.name}", row.ece[age], "1")
            if age in row.unseen:
                results.add(f"evaluate.auc_unseen.age_{name}.{row.name}", row.unseen[age], "1")
            lead = own.lead(row, age)
            results.add(f"evaluate.lead.age_{name}.{row.name}", lead.value, "1")
            results.add(f"evaluate.lead.age_{name}.{row.name}.least", lead.least, "1")
            results.add(f"evaluate.lead.age_{name}.{row.name}.greatest", lead.greatest, "1")
            for seed, one in enumerate(row.by_seed[age]):
                results.add(f"evaluate.auc.age_{name}.{row.name}.seed_{seed}", one, "1")
