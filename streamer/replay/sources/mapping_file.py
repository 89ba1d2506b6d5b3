"""A mapping file: how the columns of a user's files become fields of our events.

It is TOML; every part of it may be left out:

    topic = "user-behaviour"          # or "new-items"

    [fields]                          # our field = their column
    item_id = "sku"
    time = "order.placed"             # a dot goes into nested JSON
    "attributes.colour" = "col"       # what an item is like, under a name of its own

    [constants]                       # our field = value
    type = "purchase"

    [values.type]                     # their value = our value, for one of our fields
    PV = "view"

    [time]                            # how `time` and `launch_time` are written
    unit = "ms"                       # of numbers: s, ms, us or ns since 1970
    format = "%d/%m/%Y %H:%M"         # of text; ISO 8601 without it
    zone = "Europe/Berlin"            # of times that don't say theirs; UTC without it

    [category]
    separator = " > "                 # of a category path that is one text

A field that is not listed is taken from the column of the same name, if there is one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct

from streamer import toml_file
from streamer.replay.sources.mapping import ATTRIBUTES, FieldMapping, field_names
from streamer.replay.sources.moments import TimeRule, Unit
from streamer.toml_file import TomlFile
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR, Topic

INPUTS = {topic.name: topic for topic in (USER_BEHAVIOUR, NEW_ITEMS)}


def load_mapping(path: Path, topic: Topic | None = None) -> FieldMapping:
    """Reads a mapping file; ``topic`` overrides its own.

    Raises ConfigurationError with the file and the line.
    """
    file = toml_file.read(path, _File, _choices)
    given = file.given
    found = topic or INPUTS[given.topic]
    _check_names(file, found)
    try:
        zone = ZoneInfo(given.time.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise file.wrong("zone", f"{given.time.zone!r} is no time zone") from None
    rule = TimeRule(given.time.unit, given.time.format, zone)
    return FieldMapping(
        found, given.fields, given.constants, given.values, rule, given.category.separator
    )


class _Time(Struct, forbid_unknown_fields=True):
    unit: Unit = "s"
    format: str | None = None
    zone: str = "UTC"


class _Category(Struct, forbid_unknown_fields=True):
    separator: str | None = None


class _File(Struct, forbid_unknown_fields=True):
    topic: Literal["user-behaviour", "new-items"] = USER_BEHAVIOUR.name  # type: ignore[assignment]
    fields: dict[str, Any] = {}
    constants: dict[str, Any] = {}
    values: dict[str, dict[str, Any]] = {}
    time: _Time = msgspec.field(default_factory=_Time)
    category: _Category = msgspec.field(default_factory=_Category)


def _choices(name: str) -> str:
    """What may stand where ``name`` does, or in it; nothing where anything may."""
    parts = _File.__struct_fields__
    known = {
        "topic": tuple(INPUTS),
        "unit": get_args(Unit),
        "time": _Time.__struct_fields__,
        "category": _Category.__struct_fields__,
    }
    found = known.get(name, () if name in parts else parts)
    return f"; there are {', '.join(found)}" if found else ""


def _check_names(file: TomlFile[_File], topic: Topic) -> None:
    given, known = file.given, field_names(topic)
    for name in (*given.fields, *given.constants, *given.values):
        if name not in known and not (name.startswith(ATTRIBUTES) and "attributes" in known):
            raise file.wrong(name, f"{topic.name} has no field {name!r}; it has {', '.join(known)}")
    for name, column in given.fields.items():
        if not isinstance(column, str):
            raise file.wrong(name, f"{name} needs the name of a column, not {column!r}")
