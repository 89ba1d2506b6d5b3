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
    items = open_files([catalogue], _mapping(catalogue_mapping, NEW_ITEMS), format)
    return merged([items, open_files(behaviour, _mapping(mapping, USER_BEHAVIOUR), format)])


def _mapping(path: Path | None, topic: Topic) -> FieldMapping:
    return load_mapping(path, topic) if path else FieldMapping(topic)
