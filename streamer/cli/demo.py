"""streamer demo | replay"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from streamer import interrupt
from streamer.cli.options import Broker, Report
from streamer.errors import ConfigurationError
from streamer.settings import load

Speed = Annotated[
    str,
    typer.Option(help="Event seconds a second, e.g. 3600 for an hour a second, or max."),
]


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: streamer demo; streamer demo --speed max --exit --report demo.json"
    )(demo)
    app.command(
        epilog="Example: streamer replay reviews.jsonl meta_reviews.jsonl --format amazon-2023"
    )(replay)


def demo(
    scenario: Annotated[
        Literal["grocery", "fashion", "all"], typer.Option(help="What to replay.")
    ] = "all",
    speed: Speed = "21600",
    days: Annotated[int, typer.Option(min=1, max=140, help="Days of data.")] = 45,
    workers: Annotated[int, typer.Option(min=1, help="Scoring workers.")] = 1,
    leave: Annotated[
        bool, typer.Option("--exit", help="Check the numbers and end after the last event.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(help="Port of the page; 6066 unless told, another if that is taken."),
    ] = None,
    report: Report = None,
) -> None:
    """Watch real new products being scored and ranked, all on this machine."""
    from streamer.demo.run import Demo, run
    from streamer.embedded.child import free_port
    from streamer.logs import configure
    from streamer.report import Results, write

    settings = load(web_port=port or free_port(load().web_port))
    configure(settings)
    results = Results(
        "demo", {"scenario": scenario, "speed": speed, "days": days, "workers": workers}
    )
    try:
        run(Demo(scenario, _speed(speed), days, workers, leave), settings, results)
    finally:
        if results.rows:
            write(results, report)
            for row in results.rows:
                typer.echo(f"{row['name']:<36} {row['value']:>14,.1f} {row['unit']}")


def replay(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    format: Annotated[
        Literal["auto", "jsonl", "csv", "parquet", "amazon-2023"],
        typer.Option(help="How the files are laid out."),
    ] = "auto",
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="TOML file: your columns to our fields."),
    ] = None,
    topic: Annotated[
        Literal["new-items", "user-behaviour"] | None,
        typer.Option(help="What the rows are, whatever the mapping says."),
    ] = None,
    speed: Speed = "max",
    broker: Broker = None,
) -> None:
    """Send your own files to the input topics, in order of time."""
    from streamer.replay.files import replay_files
    from streamer.replay.record import UNREADABLE

    settings = load(broker=broker)
    sent = interrupt.run(replay_files(files, format, mapping, topic, _speed(speed), settings))
    for kind, count in sent.by_kind.most_common():
        typer.echo(f"{count:>10,} {kind}")
    if sent.by_kind[UNREADABLE]:
        typer.echo("Unreadable rows become dead letters: streamer dead-letters list", err=True)
    if sent.too_large:
        typer.echo(f"{sent.too_large:>10,} left out: larger than the broker takes")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < math.inf:
        raise ConfigurationError(f"--speed is a number above 0 or max, not {text!r}")
    return speed
