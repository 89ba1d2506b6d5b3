"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.report import writable, writable_folder

MAX_SEED = 10**9
"""Libraries take 31 bits, and some seeds count up from it."""

Broker = Annotated[
    str | None,
    typer.Option(help="Kafka bootstrap servers, HOST:PORT,…", show_default="STREAMER_BROKER"),
]
Redis = Annotated[
    str | None, typer.Option(help="Redis or Valkey URL.", show_default="STREAMER_REDIS")
]
Group = Annotated[
    str | None, typer.Option(help="Consumer group and state prefix.", show_default="STREAMER_GROUP")
]
Report = Annotated[
    Path | None,
    typer.Option(help="Write the results to this JSON file.", dir_okay=False, callback=writable),
]
StudyFile = Annotated[
    Path | None,
    typer.Option(
        "--study",
        exists=True,
        dir_okay=False,
        help="TOML file: which log launches are learnt from, and what success is (docs/models.md).",
        show_default="Complete Journey",
    ),
]
Pictures = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        callback=writable_folder,
        help="Write pictures and a page into this folder (launch, active).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
