"""A user's own files into the input topics, with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from streamer.broker import create_topics
from streamer.errors import ConfigurationError
from streamer.replay.player import Pace, Player
from streamer.replay.progress import Progress, Sent
from streamer.replay.sources.mapping import FieldMapping
from streamer.replay.sources.mapping_file import INPUTS, load_mapping
from streamer.replay.sources.opening import FileFormat, open_files
from streamer.settings import Settings


async def replay_files(
    files: Sequence[Path],
    format: FileFormat,
    mapping: Path | None,
    topic: str | None,
    speed: float | None,
    settings: Settings,
) -> Sent:
    """Plays the files, in order of time, and says what was sent. ``topic`` names the input that
    the rows are for, whatever the mapping says.

    Raises ConfigurationError, BrokerUnavailable.
    """
    if format == "amazon-2023" and (mapping or topic):
        raise ConfigurationError(
            "the format amazon-2023 says what its rows are: leave --mapping and --topic out"
        )
    source = open_files(files, _mapping(mapping, topic), format)
    create_topics(settings)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rate]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(source.name, total=source.total, rate="")

        def show(progress: Progress) -> None:
            date = datetime.fromtimestamp(progress.time, UTC).strftime("%Y-%m-%d %H:%M")
            rate = f"{progress.events_per_second:,.0f} events/s  {date}"
            bar.update(task, completed=progress.sent, rate=rate)

        return await Player(source, settings, Pace(speed), show).play()


def _mapping(path: Path | None, topic: str | None) -> FieldMapping | None:
    if path:
        return load_mapping(path, INPUTS[topic] if topic else None)
    return FieldMapping(INPUTS[topic]) if topic else None
