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

    [time]                            # how times are written
    unit = "ms"                       # of numbers: s, ms, us or ns since 1970
    format = "%d/%m/%Y %H:%M"         # of text; ISO 8601 without it
    zone = "Europe/Berlin"            # of times that don't say theirs; UTC without it

    [category]
    separator = " > "                 # of a category path that is one text

A field that is not listed is taken from the column of the same name, if there is one.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct

from streamer.errors import ConfigurationError
from streamer.replay.sources.mapping import ATTRIBUTES, FieldMapping, field_names
from streamer.replay.sources.moments import TimeRule, Unit
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR, Topic

INPUTS = {topic.name: topic for topic in (USER_BEHAVIOUR, NEW_ITEMS)}


def load_mapping(path: Path, topic: Topic | None = None) -> FieldMapping:
    """Reads a mapping file; ``topic`` overrides its own.

    Raises ConfigurationError with the file and the line.
    """
    try:
        text = path.read_text("utf-8")
        given = msgspec.convert(tomllib.loads(text), _File)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: can't be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, *_place(str(error))) from None
    except msgspec.ValidationError as error:
        name = _named(str(error))
        raise _wrong(path, _line_of(text, name), f"{error}{_choices(name)}") from None
    found = topic or INPUTS[given.topic]
    _check_names(path, text, given, found)
    try:
        zone = ZoneInfo(given.time.zone)
    except (ZoneInfoNotFoundError, ValueError):
        message = f"{given.time.zone!r} is no time zone"
        raise _wrong(path, _line_of(text, "zone"), message) from None
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


def _check_names(path: Path, text: str, given: _File, topic: Topic) -> None:
    known = field_names(topic)
    for name in (*given.fields, *given.constants, *given.values):
        if name not in known and not (name.startswith(ATTRIBUTES) and "attributes" in known):
            message = f"{topic.name} has no field {name!r}; it has {', '.join(known)}"
            raise _wrong(path, _line_of(text, name), message)
    for name, column in given.fields.items():
        if not isinstance(column, str):
            message = f"{name} needs the name of a column, not {column!r}"
            raise _wrong(path, _line_of(text, name), message)


def _wrong(path: Path, line: int, message: str) -> ConfigurationError:
    return ConfigurationError(f"{path}:{line}: {message}")


def _place(message: str) -> tuple[int, str]:
    """tomllib says the place at the end of its message."""
    found = re.search(r" \(at line (\d+), column \d+\)$", message)
    return (int(found[1]), message[: found.start()]) if found else (1, message)


def _named(message: str) -> str:
    """The last name that msgspec's message speaks of: the unknown field, or the path's end."""
    quoted = re.findall(r"`\$?\.?([^`]*)`", message)
    return re.split(r"[.\[]", quoted[-1])[-1] if quoted else ""


def _line_of(text: str, name: str) -> int:
    pattern = re.compile(rf'^\s*(?:\[.*?)?"?{re.escape(name)}"?\s*(?:[=\].]|$)')
    for number, line in enumerate(text.splitlines(), start=1):
        if name and pattern.match(line):
            return number
    return 1
