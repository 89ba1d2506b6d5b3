"""A catalogue and a behaviour log in files, as one source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamer.errors import ConfigurationError
from streamer.replay.record import Source
from streamer.replay.sources.mapping import FieldMapping
from streamer.replay.sources.mapping_file import load_mapping
from streamer.replay.sources.merge import merged
from streamer.replay.sources.opening import FileFormat, open_files
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR, Topic


def open_log(
    behaviour: Sequence[Path],
    catalogue: Path | None,
    mapping: Path | None = None,
    catalogue_mapping: Path | None = None,
    format: FileFormat = "auto",
) -> Source:
    """One source of both, in time order; of equal times the catalogue first.

    Raises ConfigurationError.
    """
    if catalogue is None:
        raise ConfigurationError("say which items there are: --catalogue FILE")
    items = open_input(NEW_ITEMS, [catalogue], catalogue_mapping, format)
    return merged([items, open_input(USER_BEHAVIOUR, behaviour, mapping, format)])


def open_input(
    topic: Topic, files: Sequence[Path], mapping: Path | None, format: FileFormat
) -> Source:
    """The files of one topic as a source. Raises ConfigurationError."""
    return open_files(
        files, load_mapping(mapping, topic) if mapping else FieldMapping(topic), format
    )
