"""streamer offpolicy"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from streamer.cli.options import MAX_SEED, Broker, Report
from streamer.cli.progress import ProgressSteps
from streamer.errors import ConfigurationError
from streamer.printable import printable
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.learning.offpolicy import Log, Value
    from streamer.replay.record import Source
    from streamer.report import Results


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: streamer offpolicy; "
        "streamer offpolicy behaviour.jsonl --catalogue items.jsonl; streamer offpolicy --topics"
    )(offpolicy)


def _file(help: str) -> Any:
    return typer.Option(exists=True, dir_okay=False, help=help)


LogFiles = Annotated[
    list[Path] | None,
    typer.Argument(exists=True, dir_okay=False, metavar="[LOG]...", show_default=False),
]
Catalogue = Annotated[Path | None, _file("File of the items, as for new-items.")]
Mapping = Annotated[Path | None, _file("TOML file: the log's columns to our fields.")]
CatalogueMapping = Annotated[Path | None, _file("The same for the catalogue.")]
Format = Literal["auto", "jsonl", "csv", "parquet"]
Reward = Literal["click", "view", "favourite", "cart", "purchase"]
Campaign = Literal["all", "men", "women"]


def offpolicy(
    files: LogFiles = None,
    catalogue: Catalogue = None,
    topics: Annotated[
        bool, typer.Option("--topics", help="The log is what the input topics retain.")
    ] = False,
    broker: Broker = None,
    bundle: Annotated[
        str | None, typer.Option(help="Whose policy is evaluated; the one in use unless told.")
    ] = None,
    reward: Annotated[
        Reward, typer.Option(help="What a shopper is hoped to do with what was shown.")
    ] = "click",
    within_hours: Annotated[
        float, typer.Option(min=0.0, help="How long after it was shown that counts.")
    ] = 24.0,
    texts: Annotated[
        bool, typer.Option(help="Encode the texts of the log, for the bundle to read.")
    ] = True,
    format: Annotated[Format, typer.Option(help="How the files are laid out.")] = "auto",
    mapping: Mapping = None,
    catalogue_mapping: CatalogueMapping = None,
    campaign: Annotated[Campaign, typer.Option(help="Of the Open Bandit sample.")] = "all",
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of bootstrap, folds and lists.")
    ] = 0,
    report: Report = None,
) -> None:
    """Estimate from a log what another policy would have earned: IPS, SNIPS and doubly robust.

    Without a log, on the Open Bandit sample, both ways, beside what that policy really earned. With
    one whose impressions carry `propensity`, from files or the topics: for a bundle's lists.
    """
    from streamer.report import Results, write

    layout = _Layout(catalogue, mapping, catalogue_mapping, format)
    asked = _Asked(bundle, reward, within_hours, texts)
    if asked != _Asked() and not (files or topics):
        raise ConfigurationError(
            "--bundle, --reward, --within-hours and --no-texts go with a log: give its files, or "
            "--topics"
        )
    if campaign != "all" and (files or topics):
        raise ConfigurationError("--campaign is of the Open Bandit sample: leave the log out")
    source = _source(files or [], layout, topics, broker)
    if source:
        log = {"files": [str(file) for file in files or ()], "topics": topics}
        results = Results("offpolicy", {**log, **asked._asdict(), "seed": seed})
        _own(results, source, asked, seed)
    else:
        results = Results("offpolicy", {"campaign": campaign, "seed": seed})
        _open_bandit(results, campaign, seed)
    write(results, report)


class _Layout(NamedTuple):
    """What goes with the files of a log."""

    catalogue: Path | None
    mapping: Path | None
    catalogue_mapping: Path | None
    format: Format


def _source(
    files: Sequence[Path], layout: _Layout, topics: bool, broker: str | None
) -> Source | None:
    """The log that was named, None where none was. Raises ConfigurationError, BrokerUnavailable."""
    from streamer.replay.sources.log import open_log
    from streamer.replay.sources.topics import TopicSource

    beside = layout.catalogue or layout.mapping or layout.catalogue_mapping
    if topics and (files or beside):
        raise ConfigurationError("--topics reads the topics alone: leave out --topics or the files")
    if beside and not files:
        raise ConfigurationError("--catalogue and mappings go with a log: give its files, too")
    if topics:
        return TopicSource(load(broker=broker))
    return open_log(files, *layout) if files else None


class _Asked(NamedTuple):
    """What is asked of a log."""

    bundle: str | None = None
    reward: str = "click"
    within_hours: float = 24.0
    texts: bool = True


class _Known(NamedTuple):
    """What the estimates are to be seen beside."""

    name: str
    value: Value


def _own(results: Results, source: Source, asked: _Asked, seed: int) -> None:
    from streamer import registry
    from streamer.learning.exposures import Hope
    from streamer.learning.offpolicy import on_policy
    from streamer.learning.own_log import own_log

    settings = load()
    name = asked.bundle or registry.active_name(settings.model_store)
    model = registry.load(settings.model_store, name)
    hope = Hope(asked.reward, asked.within_hours * 3600.0)
    found = own_log(source, model, hope, settings, ProgressSteps(), asked.texts, seed)
    earned = _Known("as logged", on_policy(found.log.reward, found.log.unit, seed))
    table = _table(f"the lists of {name}, from {source.name}", asked.reward)
    _tell(results, "own", table, found.log, earned, seed)
    if found.refused:
        typer.echo(f"left out of the log: {printable(found.refused)}", err=True)
    for what, count in found.left_out.items():
        if count:
            typer.echo(f"{count:,} impressions were left out: they lack {what}", err=True)


def _open_bandit(results: Results, campaign: Campaign, seed: int) -> None:
    from streamer.learning.open_bandit import directions

    for way in directions(campaign, seed):
        table = _table(f"{way.evaluated}, from the log of {way.logged_by}", "click")
        known = _Known(f"{way.evaluated}, its own log", way.earned(seed))
        _tell(results, f"{way.logged_by}_to_{way.evaluated}", table, way.log, known, seed)


def _tell(results: Results, place: str, table: Table, log: Log, known: _Known, seed: int) -> None:
    """What is known on top, each estimator beneath it."""
    from streamer.learning.offpolicy import FEW_ROUNDS, REPLICATES, evaluate

    with ProgressSteps().step("bootstrap", REPLICATES) as told:
        values = evaluate(log, seed, told)
    table.add_row(known.name, *_cells(known.value), f"{len(log):,} logged")
    peer, peer_value = known.name, known.value.value
    for name, value in values.items():
        table.add_row(name, *_cells(value), f"{log.effective_rounds:,.0f}")
        at, unit = f"offpolicy.{place}.{name}", "reward/showing"
        results.add(at, value.value, unit, peer=peer, peer_value=peer_value)
        results.add(f"{at}.low", value.low, unit)
        results.add(f"{at}.high", value.high, unit)
    results.add(f"offpolicy.{place}.effective_rounds", log.effective_rounds, "rounds")
    mean, error = log.mean_weight
    results.add(f"offpolicy.{place}.mean_weight", mean, "ratio")
    results.add(f"offpolicy.{place}.mean_weight.error", error, "ratio")
    Console().print(table)
    if log.doubtful:
        typer.echo(
            f"the weights average {mean:.2f} (±{error:.2f}) instead of 1: what was logged was drawn "
            "among other items, or with other propensities, than it says; see that impressions log "
            "propensity, position and board as `streamer draw` tells them",
            err=True,
        )
    if log.effective_rounds < FEW_ROUNDS:
        typer.echo(
            f"only {log.effective_rounds:,.1f} effective rounds out of {len(log):,}: the two policies "
            "show too different things, and these estimates mean nothing",
            err=True,
        )


def _table(title: str, reward: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column("by")
    for column in (f"{reward}s per 1,000 showings", "95 % interval", "effective rounds"):
        table.add_column(column, justify="right")
    return table


def _cells(value: Value) -> tuple[str, str]:
    return f"{1000 * value.value:.2f}", f"{1000 * value.low:.2f} … {1000 * value.high:.2f}"
