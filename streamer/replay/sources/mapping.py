"""From the columns of a user's rows to the fields of our events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from streamer.replay.sources.moments import TimeRule
from streamer.topology import USER_BEHAVIOUR, Topic

ATTRIBUTES = "attributes."
"""Begins the name of a field that is one of an item's attributes."""

Fields = Mapping[str, Any]


@dataclass(eq=False)
class FieldMapping:
    """What becomes of a row; mapping_file.py says what the parts mean."""

    topic: Topic = USER_BEHAVIOUR
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Fields = field(default_factory=dict)
    values: Mapping[str, Fields] = field(default_factory=dict)
    time: TimeRule = field(default_factory=TimeRule)
    separator: str | None = None

    def __post_init__(self) -> None:
        columns = {name: name for name in field_names(self.topic)} | dict(self.fields)
        self._columns = [pair for pair in columns.items() if pair[0] not in self.constants]
        self._texts = _texts(self.topic)

    def apply(self, row: Fields) -> tuple[dict[str, Any], float | None]:
        """The event's fields and its time, None where the row has none that can be read.

        A value that does not fit is taken over as it is, so that whoever validates the event can
        say what is wrong with it.
        """
        found = dict(self.constants)
        attributes = {}
        for name, column in self._columns:
            value = _look_up(row, column)
            if value is None or value == "" or value != value:
                continue
            if name in self.values:
                value = self.values[name].get(str(value), value)
            if name.startswith(ATTRIBUTES):
                attributes[name.removeprefix(ATTRIBUTES)] = value
            else:
                found[name] = self._fitted(name, value)
        if attributes:
            found["attributes"] = attributes
        time = self.time.seconds(found.get("time"))
        return found if time is None else found | {"time": time}, time

    def absent(self, row: Fields) -> set[str]:
        """The columns that were named for a field and that the row does not have; one without a
        value it has."""
        return {
            column
            for column in self.fields.values()
            if column not in row and _look_up(row, column) is None
        }

    def _fitted(self, name: str, value: Any) -> Any:
        if name == "category" and isinstance(value, str):
            parts = value.split(self.separator) if self.separator else [value]
            return [part.strip() for part in parts if part.strip()]
        if name == "attributes":
            return _facts(value)
        if name == "launch_time":
            time = self.time.seconds(value)
            return value if time is None else time
        if isinstance(value, bool):
            return value
        if name in self._texts and isinstance(value, int | float | Decimal):
            return str(int(value)) if value == value // 1 else str(value)
        return value


def field_names(topic: Topic) -> list[str]:
    """The fields of a topic's events."""
    return [f.name for f in msgspec.structs.fields(topic.type)]


def _texts(topic: Topic) -> frozenset[str]:
    """The fields that hold text, for which a number is written out."""
    info = msgspec.inspect.type_info(topic.type)
    assert isinstance(info, msgspec.inspect.StructType)
    return frozenset(f.name for f in info.fields if _is_text(f.type))


def _is_text(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _is_text(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_is_text(one) for one in kind.types)
    return isinstance(kind, msgspec.inspect.StrType)


def _facts(value: Any) -> Any:
    """An item's attributes without those that it does not have, which Parquet gives as null; a map
    of Parquet comes as pairs."""
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs):
        return {name: fact for name, fact in pairs if fact is not None}
    return value


def _look_up(row: Fields, column: str) -> Any:
    if column in row or "." not in column:
        return row.get(column)
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
