"""Fields as a record: an event where they make one, else what a worker will refuse with a reason."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from streamer.events import Behaviour, NewItem
from streamer.replay.record import UNREADABLE, TimedRecord
from streamer.topology import Topic

_pack = msgspec.msgpack.Encoder(enc_hook=str).encode


def record_of(topic: Topic, fields: dict[str, Any], where: str, time: float) -> TimedRecord:
    """The record of one row; ``where`` is its file and line, the key of what has no item id.

    Text that holds a number passes for the number.
    """
    try:
        event = msgspec.convert(fields, topic.type, strict=False)
    except msgspec.ValidationError:
        value = _packed(_as_far_as_it_fits(topic, fields))
        return TimedRecord(topic, _key(fields, where), value, time, UNREADABLE)
    assert isinstance(event, Behaviour | NewItem)
    return TimedRecord(topic, event.item_id.encode(), event, time, event.type)


def _as_far_as_it_fits(topic: Topic, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, each that fits as what it is: so that a worker refuses the one that does not, and
    not text that holds a number."""
    fitted = dict(fields)
    for field in msgspec.structs.fields(topic.type):
        with suppress(msgspec.ValidationError):
            if field.name in fields:
                fitted[field.name] = msgspec.convert(fields[field.name], field.type, strict=False)
    return fitted


def unreadable(topic: Topic, raw: bytes, where: str, time: float) -> TimedRecord:
    """The record of a row that can't be read at all."""
    return TimedRecord(topic, where.encode(), raw, time, UNREADABLE)


def broken(problem: str, row: str) -> bytes:
    """A row that can't travel as it is, and why."""
    return msgspec.json.encode({"problem": problem, "row": row})


def _packed(fields: dict[str, Any]) -> bytes:
    try:
        return _pack(fields)
    except (OverflowError, UnicodeEncodeError, TypeError) as error:
        return broken(str(error), ascii(fields))


def _key(fields: dict[str, Any], where: str) -> bytes:
    item_id = fields.get("item_id")
    return (item_id if isinstance(item_id, str) else where).encode("utf-8", "replace")
