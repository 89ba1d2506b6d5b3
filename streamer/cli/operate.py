"""streamer topics | doctor | dead-letters list|show|replay"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from streamer.cli.options import AsJson, Broker, Group, Redis
from streamer.errors import CheckFailed, ConfigurationError
from streamer.printable import printable
from streamer.settings import load

Places = Annotated[
    list[str] | None, typer.Argument(metavar="[TOPIC/PARTITION/OFFSET]...", help="Which letters.")
]
Code = Annotated[str | None, typer.Option(help="Only letters with this code.")]

_SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "wrong": "[red]✗[/]"}


_WHOLE = frozenset({"topic", "place", "code"})
"""Columns that a narrow terminal does not break."""


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: streamer topics --create --broker kafka:9092")(topics)
    app.command(epilog="Example: streamer doctor --broker kafka:9092 --redis redis://redis:6379/0")(
        doctor
    )
    letters = typer.Typer(help="Records that can't be used: list, show, send again.")
    letters.command("list", epilog="Example: streamer dead-letters list --code invalid")(
        list_letters
    )
    letters.command("show", epilog="Example: streamer dead-letters show user-behaviour/2/3")(
        show_letter
    )
    letters.command(
        "replay", epilog="Example, after a fix: streamer dead-letters replay --code too-long"
    )(replay_letters)
    app.add_typer(letters, name="dead-letters", no_args_is_help=True)


def topics(
    create: Annotated[bool, typer.Option("--create", help="Create what is missing.")] = False,
    broker: Broker = None,
    as_json: AsJson = False,
) -> None:
    """Show every topic: key, type, partitions, records, who writes and reads it."""
    from streamer import broker as admin
    from streamer.topology import TOPICS

    settings = load(broker=broker)
    for name in admin.create_topics(settings) if create else ():
        typer.echo(f"created {name}", err=True)
    found = admin.describe(settings.broker, (settings.topic(t.name) for t in TOPICS))
    places = [(t.name, n) for t in found.values() for n in range(t.partitions)]
    ends = asyncio.run(admin.log_ends(settings.broker, places))
    rows = [
        {
            "topic": settings.topic(topic.name),
            "key": topic.key,
            "type": topic.type.__name__,
            "clean_up": topic.clean_up,
            "partitions": found[settings.topic(topic.name)].partitions,
            "end_offsets": sum(
                at for (name, _), at in ends.items() if name == settings.topic(topic.name)
            ),
            "written_by": list(topic.written_by),
            "read_by": list(topic.read_by),
            "about": topic.about,
        }
        for topic in TOPICS
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print(rows, "topic", "key", "type", "clean_up", "partitions", "end_offsets")
        _print(rows, "topic", "written_by", "read_by")
    missing = [row["topic"] for row in rows if not row["partitions"]]
    if missing:
        raise CheckFailed(f"missing: {', '.join(map(str, missing))}; run: streamer topics --create")


def doctor(broker: Broker = None, redis: Redis = None, group: Group = None) -> None:
    """Check settings, connections, topics, state, lag and models; say what to do."""
    from streamer.doctor import examine

    console = Console(highlight=False)
    wrong = 0
    for finding in examine(load(broker=broker, redis=redis, group=group)):
        advice = f"  → {finding.advice}" if finding.advice else ""
        told = printable(f"{finding.subject}: {finding.detail}{advice}")
        console.print(_SIGNS[finding.verdict], told)
        wrong += finding.verdict == "wrong"
    if wrong:
        raise CheckFailed(f"{wrong} thing(s) to put right; see above")


def list_letters(broker: Broker = None, code: Code = None, as_json: AsJson = False) -> None:
    """List the letters that were not sent again, and how many there are by code."""
    from streamer.dead_letters import place_of

    letters = _letters(broker, None, code)
    rows: list[dict[str, Any]] = [
        {
            "place": str(place_of(letter)),
            "refused": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(letter.time)),
            "code": letter.code,
            "bytes": letter.value_bytes,
            "reason": letter.reason,
        }
        for letter in letters
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print(rows, "place", "refused", "code", "bytes", "reason")
        counts = Counter(letter.code for letter in letters).most_common()
        typer.echo(", ".join(f"{count} × {name}" for name, count in counts) or "no dead letters")


def show_letter(
    place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET")], broker: Broker = None
) -> None:
    """Show one letter with its bytes."""
    (letter,) = _letters(broker, [place], None)
    value = letter.value or b""
    told = {name: getattr(letter, name) for name in letter.__struct_fields__}
    told |= {
        "key": None if letter.key is None else letter.key.decode(errors="backslashreplace"),
        "value": value.decode(errors="backslashreplace"),
        "value_hex": value[:256].hex(" "),
    }
    typer.echo(json.dumps(told, indent=2, ensure_ascii=False))


def replay_letters(
    places: Places = None,
    broker: Broker = None,
    code: Code = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter.")] = False,
) -> None:
    """Send letters to the topics they came from again, for instance after a fix."""
    from streamer.dead_letters import place_of, replay

    if not (places or code or everything):
        raise ConfigurationError("say which letters: TOPIC/PARTITION/OFFSET, --code CODE or --all")
    letters = _letters(broker, places, code)
    if not letters:
        typer.echo("no dead letters")
    for letter, outcome in replay(load(broker=broker), letters):
        typer.echo(f"{place_of(letter)}: {outcome}")


def _letters(broker: str | None, places: list[str] | None, code: str | None) -> list[Any]:
    from streamer.dead_letters import Place, place_of, waiting

    wanted = {Place.parse(text) for text in places or ()}
    found = waiting(
        load(broker=broker), lambda at: typer.echo(f"{at} is no dead letter: left out", err=True)
    )
    missing = wanted - {place_of(letter) for letter in found}
    if missing:
        raise ConfigurationError(f"no such dead letter: {', '.join(map(str, missing))}")
    return [
        letter
        for letter in found
        if (not wanted or place_of(letter) in wanted) and (code is None or letter.code == code)
    ]


def _print(rows: list[dict[str, Any]], *columns: str) -> None:
    if not rows:
        return
    table = Table(box=None, header_style="bold")
    for name in columns:
        number = all(isinstance(row[name], int) for row in rows)
        justify: Literal["left", "right"] = "right" if number else "left"
        table.add_column(name, justify=justify, no_wrap=name in _WHOLE, overflow="fold")
    for row in rows:
        cells = (row[name] for name in columns)
        table.add_row(*(printable(", ".join(v) if isinstance(v, list) else str(v)) for v in cells))
    Console().print(table)
