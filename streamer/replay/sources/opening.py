"""From the files that a user names to one source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from streamer.errors import ConfigurationError
from streamer.replay.record import Source
from streamer.replay.sources.amazon import AmazonReviews
from streamer.replay.sources.files import FileSource
from streamer.replay.sources.mapping import FieldMapping
from streamer.replay.sources.merge import merged
from streamer.replay.sources.rows import format_of, read_rows

FileFormat = Literal["auto", "jsonl", "csv", "parquet", "amazon-2023"]


def open_files(
    paths: Sequence[Path], mapping: FieldMapping | None = None, format: FileFormat = "auto"
) -> Source:
    """One source of all files, in time order.

    ``auto`` goes by the files' names; without a mapping, JSON lines with a `parent_asin` are
    taken for Amazon reviews. Raises ConfigurationError, also for a file that is named twice.
    """
    _check_once(paths)
    if format == "amazon-2023":
        return AmazonReviews(paths)
    if format == "auto" and mapping is None:
        amazon = [path for path in paths if _is_amazon(path)]
        others = [path for path in paths if path not in amazon]
        sources: list[Source] = [AmazonReviews(amazon)] if amazon else []
        return merged(sources + [FileSource(path, FieldMapping()) for path in others])
    kind = None if format == "auto" else format
    return merged([FileSource(path, mapping or FieldMapping(), kind) for path in paths])


def _check_once(paths: Sequence[Path]) -> None:
    named: set[Path] = set()
    for path in paths:
        if path.resolve() in named:
            raise ConfigurationError(
                f"{path} is named twice, so its events would count twice: name each file once"
            )
        named.add(path.resolve())


def _is_amazon(path: Path) -> bool:
    if format_of(path) != "jsonl":
        return False
    rows = (row.fields for row in read_rows(path, "jsonl") if row.fields is not None)
    return "parent_asin" in next(rows, {})
