"""streamer reencode"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from streamer import interrupt
from streamer.cli.options import Broker, Group, Redis
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.state.coverage import Coverage

NICENESS = 15


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: streamer reencode --encoder e5-multilingual --every 30")(reencode)


def reencode(
    encoder: Annotated[
        str | None,
        typer.Option(help="The encoder that is to read.", show_default="STREAMER_ENCODER"),
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(min=1, help="Look again after so many seconds, until stopped; once if left."),
    ] = None,
    broker: Broker = None,
    redis: Redis = None,
    group: Group = None,
) -> None:
    """Read all live items' descriptions with another encoder, in the background; tell its coverage
    after each look."""
    from rich.progress import Progress

    from streamer.encoding.layered import open_cache
    from streamer.encoding.observer import Silent
    from streamer.encoding.service import EncodingService
    from streamer.reencode import reencode as run
    from streamer.rescore import count_items

    settings = load(broker=broker, redis=redis, group=group, encoder=encoder)
    os.nice(max(NICENESS, settings.encoder_niceness))
    total = asyncio.run(count_items(settings))
    service = EncodingService.open(settings, cache=open_cache(settings, Silent()))
    with Progress(console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("items", total=total)

        def told(found: Coverage) -> None:
            progress.update(task, completed=found.described)

        def looked(found: Coverage) -> None:
            typer.echo(
                f"{settings.encoder} ({service.fingerprint}) has read {found.read:,} of "
                f"{found.described:,} described items: coverage {found.share:.1%}"
            )

        interrupt.run(run(settings, service, told, looked, every))
