"""streamer models list | show | compare | promote | rollback | history | verify | add"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from streamer.cli.options import AsJson, Group, Redis
from streamer.errors import CheckFailed, ConfigurationError
from streamer.printable import printable
from streamer.settings import Settings, load

Name = Annotated[str, typer.Argument(metavar="BUNDLE", help="See: streamer models list.")]
Store = Annotated[
    Path | None,
    typer.Option(help="Folder of the bundles.", show_default="STREAMER_MODEL_STORE"),
]
By = Annotated[str, typer.Option(help="Who does it, for the history.", show_default="you")]
Why = Annotated[str, typer.Option(help="Why, for the history.")]

LONG_NAME = 40
"""Characters; a longer name of a bundle is folded where a terminal is narrow."""
UNLIMITED = 10_000
"""As many columns as a table wants that goes to no terminal."""


def register(app: typer.Typer) -> None:
    models = typer.Typer(help="Bundles: which there are, which is in use, promote, undo.")
    for command, example in (
        (list_bundles, "list"),
        (show, "show launch-20261126-134612"),
        (compare, "compare launch-20261201-080000"),
        (promote, "promote launch-20261201-080000 --why 'November added'"),
        (rollback, "rollback --why 'odd boards since 10:00'"),
        (history, "history"),
        (verify, "verify"),
        (add, "add ./launch-20261201-080000"),
    ):
        name = example.split()[0]
        models.command(name, epilog=f"Example: streamer models {example}")(command)
    app.add_typer(models, name="models", no_args_is_help=True)


def list_bundles(store: Store = None, as_json: AsJson = False) -> None:
    """List all bundles: what each is, whether it is in use or damaged, and how good it is."""
    from streamer.registry.listing import rows

    found = rows(_store(store))
    if as_json:
        _print_json(found)
        return
    columns = ("", "bundle", "kind", "made (UTC)", "encoder", "quality", "calibration error", "")
    table = _table(columns, "bundle", [row.name for row in found])
    for row in found:
        table.add_row(
            "[green]●[/]" if row.in_use else "",
            row.name,
            row.kind,
            row.made_at.replace("T", " ").removesuffix("Z"),
            row.encoder[:8],
            _number(row.quality),
            _number(row.calibration_error),
            f"[red]{printable(row.damage)}[/]",
        )
    _print(table)
    typer.echo("● in use; quality: mean of what the gate looks at; calibration error: the largest")


def show(name: Name, store: Store = None, as_json: AsJson = False) -> None:
    """Show one bundle: its card, and what its manifest says of its making; every hash verified."""
    from streamer.registry import bundles

    folder = _store(store)
    found = bundles.read(folder, name)
    if as_json:
        typer.echo(json.dumps({"name": name, **found.manifest}, indent=2, ensure_ascii=False))
        return
    typer.echo((folder / name / bundles.CARD).read_text())
    table = Table(box=None, show_header=False)
    for key in (
        "kind",
        "made_at",
        "made_by",
        "code_version",
        "data_fingerprint",
        "test_fingerprint",
    ):
        table.add_row(f"[bold]{key}[/]", printable(str(found.manifest.get(key, "not told"))))
    table.add_row("[bold]encoder[/]", found.encoder)
    Console().print(table)


def compare(
    name: Name,
    other: Annotated[
        str | None, typer.Argument(metavar="[OTHER]", help="The one in use unless told.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="As workers saw it as a shadow: --shadow BUNDLE.")
    ] = False,
    store: Store = None,
    redis: Redis = None,
    group: Group = None,
    as_json: AsJson = False,
) -> None:
    """Compare a bundle with the one in use, or another: metric by metric, and what the gate says."""
    from streamer.registry import listing

    settings = load(model_store=store, redis=redis, group=group)
    found = listing.compared(settings.model_store, name, other)
    if live:
        _compare_live(settings, name, found.other, as_json)
        return
    if as_json:
        _print_json(found)
        return
    table = _table(("", name, found.other, "difference"))
    for metric in found.metrics:
        values = _number(metric.candidate), _number(metric.other), _number(metric.difference, "+")
        table.add_row(metric.name, *values)
    _print(table)
    console = Console(highlight=False)
    for reason in found.objections:
        console.print("[red]✗[/]", printable(reason))
    if not found.objections:
        console.print("[green]✓[/] nothing speaks against it")


def _compare_live(settings: Settings, name: str, other: str, as_json: bool) -> None:
    from streamer.live import caveats, compare

    stages = asyncio.run(compare(settings, name, other))
    if not stages:
        raise CheckFailed(
            f"no worker has seen {name} beside {other} yet: start it with --shadow {name}"
        )
    for caveat in caveats(settings.model_store, name, other):
        typer.echo(f"to be known: {caveat}", err=True)
    if as_json:
        _print_json(stages)
        return
    told = "items", "rank correlation", "mean |ΔP|", "outcomes", "successes"
    table = _table(("", *told, "calibration error", "AUC"))
    for stage in stages:
        table.add_row(
            stage.stage,
            f"{stage.items:,}",
            _number(stage.agreement),
            _number(stage.difference),
            f"{stage.known:,}",
            _number(stage.successes),
            f"{_number(stage.candidate_error)} / {_number(stage.active_error)}",
            f"{_number(stage.candidate_auc)} / {_number(stage.active_auc)}",
        )
    _print(table)
    typer.echo(f"Calibration error and AUC: {name} / {other}.")
    typer.echo("Each item's first score in a stage; outcomes are known a horizon after the cohort.")


def promote(
    name: Name,
    why: Why = "",
    by: By = "",
    force: Annotated[
        bool, typer.Option("--force", help="Although the gate or the encoder speak against it.")
    ] = False,
    store: Store = None,
) -> None:
    """Put a bundle in use, unless it is damaged, does not fit or is worse; all processes follow."""
    from streamer.registry import promotion

    if force and not why:
        raise ConfigurationError("--force needs a reason for the history: --why '…'")
    change = promotion.promote(_store(store), name, why=why, by=by, force=force)
    for reason in change.overruled:
        typer.echo(f"overruled: {reason}", err=True)
    typer.echo(f"in use: {change.to}, before: {change.before or 'none'}")


def rollback(
    why: Why = "",
    by: By = "",
    kind: Annotated[
        Literal["launch", "sentiment"], typer.Option(help="Whose last promotion is undone.")
    ] = "launch",
    store: Store = None,
) -> None:
    """Undo the last promotion; once more, the one before it. All processes follow."""
    from streamer.registry import listing, promotion

    folder = _store(store)
    slot = listing.slot_of_kind(folder, kind)
    change = promotion.rollback(folder, slot, why=why, by=by)
    typer.echo(f"in use: {change.to}, before: {change.before}")


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[BUNDLE]...", help="All of them unless told.")
    ] = None,
    store: Store = None,
) -> None:
    """Check every byte of the bundles against their hashes, and that what is in use is there."""
    from streamer.registry import bundles, listing

    folder, console = _store(store), Console(highlight=False)
    wanted = names or listing.to_verify(folder)
    if not wanted:
        raise CheckFailed(f"there are no bundles in {folder}: set STREAMER_MODEL_STORE or --store")
    wrong = 0
    bar = Console(stderr=True)
    for name in track(wanted, "verifying", console=bar, disable=not bar.is_terminal):
        damage = listing.damage(folder, name)
        console.print("[red]✗[/]" if damage else "[green]✓[/]", printable(damage or name))
        wrong += bool(damage)
    for left in bundles.leftovers(folder):
        console.print("[yellow]![/]", f"{left}: half-written, of no use; delete it")
    if wrong:
        raise CheckFailed(f"{wrong} of {len(wanted)} bundles can't be used; see above")


def add(
    source: Annotated[Path, typer.Argument(metavar="FOLDER")],
    store: Store = None,
) -> None:
    """Take in a bundle from elsewhere, or all of another store; each is verified first."""
    from streamer.registry import promotion

    for name in promotion.add(_store(store), source):
        typer.echo(f"added {name}")


def history(store: Store = None, as_json: AsJson = False) -> None:
    """Show who put what in use, when and why."""
    from streamer.registry import pointer

    changes = pointer.history(_store(store))
    if as_json:
        _print_json(changes)
        return
    table = _table(
        ("when", "who", "what", "to", "from", "why"), "to", [change.to for change in changes]
    )
    for change in changes:
        why = "; ".join([change.why, *(f"overruled: {reason}" for reason in change.overruled)])
        cells = (change.at, change.by, change.action, change.to, change.before or "", why)
        table.add_row(*map(printable, cells))
    _print(table)


def _table(columns: Sequence[str], of_names: str = "", names: Iterable[str] = ()) -> Table:
    """A table that cuts nothing off; names of bundles stay whole in their column, unless long."""
    table = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
    whole = max(map(len, names), default=0) <= LONG_NAME
    for name in columns:
        table.add_column(name, no_wrap=whole and name == of_names, overflow="fold")
    return table


def _print(table: Table) -> None:
    """As wide as the terminal; as wide as it comes where there is none."""
    Console(width=None if Console().is_terminal else UNLIMITED).print(table)


def _print_json(found: Any) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())


def _store(given: Path | None) -> Path:
    return load(model_store=given).model_store


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.4f}"
