"""streamer finetune"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from streamer.cli.learn import in_use
from streamer.cli.options import MAX_SEED, Report, StudyFile
from streamer.cli.progress import ProgressSteps
from streamer.errors import ConfigurationError
from streamer.report import writable_folder
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.learning.finetune import Tuned
    from streamer.learning.launch_text import Adapted
    from streamer.learning.tuning import TuneOptions
    from streamer.report import Results

TREES_SEEDS, RESAMPLES = 5, 200
"""What an encoder that was fine-tuned on launches is compared by."""


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: streamer finetune --method frozen --report head.json; "
        "streamer finetune --method lora --epochs 4; "
        "streamer finetune --on launches --method lora --study study.toml"
    )(finetune)


class Method(StrEnum):
    """How much of the encoder learns."""

    FROZEN = "frozen"
    LORA = "lora"
    ADALORA = "adalora"
    FULL = "full"


class On(StrEnum):
    """What is learnt from."""

    REVIEWS = "reviews"
    LAUNCHES = "launches"


Learnt = Annotated[
    Method,
    typer.Option(
        help="What learns: frozen = a head on the encoder as it is; lora, adalora = small "
        "changes to it; full = all of it but the table of words."
    ),
]
LearntFrom = Annotated[
    On,
    typer.Option(
        help="reviews = their sentiment; launches = the encoder itself, from description to "
        "success, kept if launches are ranked better by it."
    ),
]
Run = Annotated[
    Path,
    typer.Option(
        file_okay=False,
        callback=writable_folder,
        help="Checkpoints, reports and TensorBoard's events of a fine-tuning.",
    ),
]


def finetune(
    method: Learnt = Method.FROZEN,
    on: LearntFrom = On.REVIEWS,
    study: StudyFile = None,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many.")] = 2,
    rate: Annotated[
        float, typer.Option(min=0, help="Learning rate; 0 takes the method's own.")
    ] = 0.0,
    rank: Annotated[int, typer.Option(min=1, help="Of the changes of lora and adalora.")] = 16,
    batch_tokens: Annotated[int, typer.Option(min=64, help="Tokens of one pass.")] = 2048,
    accumulate: Annotated[int, typer.Option(min=1, help="Passes that make one step.")] = 1,
    patience: Annotated[
        int, typer.Option(min=1, help="Stop after so many epochs without a better dev AUC.")
    ] = 1,
    class_weights: Annotated[
        bool, typer.Option(help="Let both classes of a language weigh the same.")
    ] = True,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Of the dev split, the order and the start.")
    ] = 0,
    run: Run = Path("runs/finetune"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from --run's checkpoint.")
    ] = False,
    report: Report = None,
) -> None:
    """Train the sentiment of reviews on real ones, and save the bundle, which encoders then use; or
    the encoder itself on launches."""
    from streamer.report import Results, write

    about = {"on": on.value, "study": str(study) if study else None}
    results = Results("finetune", {**about, "method": method.value, "seed": seed})
    if study and on is On.REVIEWS:
        raise ConfigurationError("a study is about launches: add --on launches")
    if resume:
        _expect_checkpoint(method, run)
    if method is Method.FROZEN:
        _head(on, seed, results, report)
        return
    from streamer.learning.tunable import Method as Tuning
    from streamer.learning.tuning import TuneOptions

    options = TuneOptions(
        *(Tuning(method.value), epochs, rate, rank, batch_tokens),
        *(accumulate, patience),
        class_weights=class_weights,
        seed=seed,
    )
    results.parameters |= {"epochs": epochs, "rank": rank, "rate": options.rate}
    if on is On.LAUNCHES:
        _launches(study, options, run, results, resume=resume)
        write(results, report)
    else:
        from streamer.learning.tuned import tune

        tuned = tune(load(), options, run, ProgressSteps(), typer.echo, resume=resume)
        _sentiment(tuned, results, report)


def _expect_checkpoint(method: Method, run: Path) -> None:
    if method is Method.FROZEN:
        raise ConfigurationError(
            "a head on a frozen encoder is learnt in one go and has no checkpoint: leave out "
            "--resume, or name its --method"
        )
    from streamer.learning import checkpoints

    checkpoints.expect(run)


def _head(on: On, seed: int, results: Results, report: Path | None) -> None:
    from streamer.learning.finetune import finetune as train_head

    if on is On.LAUNCHES:
        raise ConfigurationError(
            "a frozen encoder learns nothing from launches: take --method lora, adalora or full"
        )
    _sentiment(train_head(load(), seed, ProgressSteps()), results, report)


def _sentiment(tuned: Tuned, results: Results, report: Path | None) -> None:
    from streamer.report import write

    for name, value in tuned.metrics.items():
        for who, metrics in tuned.baselines.items():
            results.add(f"sentiment.{name}", value, "1", peer=who, peer_value=metrics[name])
        beside = ", ".join(f"{who} {metrics[name]:.4f}" for who, metrics in tuned.baselines.items())
        typer.echo(f"{name:<14} {value:.4f}   {beside}")
    typer.echo(f"\n{tuned.text}\nsaved: {tuned.folder}")
    write(results, report)
    in_use(tuned.refused)


def _launches(
    study: Path | None, options: TuneOptions, run: Path, results: Results, *, resume: bool
) -> None:
    from streamer.learning.launch_text import adapt
    from streamer.learning.study_file import open_study

    settings = load()
    adapted = adapt(
        *(settings, open_study(study, settings), options, run),
        *(TREES_SEEDS, RESAMPLES, ProgressSteps(), typer.echo),
        resume=resume,
    )
    _tabulate(adapted, results)
    lead = adapted.lead
    told = f"{lead.value:+.4f} ({lead.least:+.4f} to {lead.greatest:+.4f}) in the mean over ages"
    if adapted.folder is None:
        typer.echo(f"not kept: launches are not ranked better with it than without, {told}")
        return
    again = f" --study {study}" if study else ""
    typer.echo(
        f"kept, {told}: {adapted.folder}\n"
        f"learn a predictor on it with: STREAMER_ENCODER={adapted.folder} streamer train{again}"
    )


def _tabulate(adapted: Adapted, results: Results) -> None:
    from streamer.learning.pictures import age_name
    from streamer.learning.train import age_key

    frozen, tuned = adapted.frozen, adapted.tuned
    title = "AUC of trees on all features and the description's vector (95 % bootstrap intervals)"
    table = Table("", *map(age_name, frozen.areas), title=title)
    for row in (frozen, tuned):
        table.add_row(row.name, *(f"{row.auc(age).value:.4f}" for age in row.areas))
    leads = (tuned.lead(frozen, age) for age in frozen.areas)
    table.add_row("ahead by", *(f"{x.value:+.4f}\n{x.least:+.3f} {x.greatest:+.3f}" for x in leads))
    Console(width=160).print(table)
    for age in frozen.areas:
        name, mine = f"launches.auc.age_{age_key(age)}", tuned.auc(age).value
        results.add(name, mine, "1", peer=frozen.name, peer_value=frozen.auc(age).value)
    results.add("launches.lead", adapted.lead.value, "1")
    results.add("launches.kept", float(adapted.folder is not None), "1")
