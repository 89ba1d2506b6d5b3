"""MessagePack (and JSON, on input) to and from events.

Nothing that arrives can raise past ``read``: a record that is not a valid event comes back as a
dead letter with the precise reason, and its neighbours in the chunk are untouched.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from streamer.chunk import Chunk
from streamer.errors import BadEvent
from streamer.events import SCHEMA, Behaviour, DeadLetter, Encoding, Event, NewItem, Text

E = TypeVar("E", bound=Event)

pack: Callable[[Struct], bytes] = msgspec.msgpack.Encoder().encode
_JSON_START = frozenset(b"{[ \t\r\n")


@dataclass(slots=True)
class Batch(Generic[E]):
    """The usable events of a chunk with their offsets, and what could not be used."""

    events: list[E]
    offsets: np.ndarray
    dead_letters: list[DeadLetter]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an event may not exceed. ``latest`` is the largest event time accepted, in seconds."""

    latest: float
    max_text_chars: int
    dead_letter_max_bytes: int


class Reader(Generic[E]):
    """Reads one topic's records as events of one type."""

    def __init__(self, kind: type[E], check: Callable[[E, Limits], None]) -> None:
        self._msgpack = msgspec.msgpack.Decoder(kind).decode
        self._json = msgspec.json.Decoder(kind).decode
        self._check = check

    def decode(self, value: bytes | None) -> E:
        """One record's value as an event, its shape checked but not yet its content.

        Raises BadEvent.
        """
        if not value:
            raise BadEvent("empty", "the record has no value")
        decode = self._json if value[0] in _JSON_START else self._msgpack
        try:
            return decode(value)
        except msgspec.ValidationError as error:
            raise BadEvent("invalid", str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadEvent("undecodable", f"{_format(value)}: {error}") from None

    def read(self, chunk: Chunk, limits: Limits) -> Batch[E]:
        """Every record of the chunk, as an event or as a dead letter."""
        events: list[E] = []
        kept: list[int] = []
        dead: list[DeadLetter] = []
        decode = self._msgpack
        for index, value in enumerate(chunk.values):
            try:
                events.append(decode(value))  # type: ignore[arg-type]
            except Exception:
                try:
                    events.append(self.decode(value))
                except BadEvent as bad:
                    dead.append(bury(chunk, index, bad, limits))
                    continue
            kept.append(index)
        if not _plainly_fine(events, limits):
            events, kept = self._sift(chunk, events, kept, dead, limits)
        offsets = chunk.offsets if len(kept) == len(chunk) else chunk.offsets[kept]
        return Batch(events, offsets, dead)

    def _sift(
        self, chunk: Chunk, events: list[E], kept: list[int], dead: list[DeadLetter], limits: Limits
    ) -> tuple[list[E], list[int]]:
        good: list[E] = []
        places: list[int] = []
        for event, index in zip(events, kept, strict=True):
            try:
                _check_common(event, limits)
                self._check(event, limits)
            except BadEvent as bad:
                dead.append(bury(chunk, index, bad, limits))
            else:
                good.append(event)
                places.append(index)
        return good, places


def board_names(chunk: Chunk) -> list[str]:
    """The boards that a chunk of `board-changes` names; the key alone says it."""
    return [key.decode(errors="replace") for key in chunk.keys if key]


class _Named(Struct):
    event_id: str | None = None


def event_ids(chunk: Chunk) -> list[str | None]:
    """The ``event_id`` of every record of a chunk, None where it has none or can't be read."""
    return [_event_id(value) for value in chunk.values]


_named_msgpack = msgspec.msgpack.Decoder(_Named).decode
_named_json = msgspec.json.Decoder(_Named).decode


def _event_id(value: bytes | None) -> str | None:
    if not value:
        return None
    try:
        return (_named_json if value[0] in _JSON_START else _named_msgpack)(value).event_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def bury(chunk: Chunk, index: int, bad: BadEvent, limits: Limits) -> DeadLetter:
    """The dead letter of one record of a chunk."""
    value = chunk.values[index]
    size = len(value or b"")
    truncated = size > limits.dead_letter_max_bytes
    return DeadLetter(
        topic=chunk.topic,
        partition=chunk.partition,
        offset=int(chunk.offsets[index]),
        code=bad.code,
        reason=str(bad),
        time=clock.time(),
        key=chunk.keys[index],
        value=value[: limits.dead_letter_max_bytes] if value and truncated else value,
        value_bytes=size,
        truncated=truncated,
    )


def _format(value: bytes) -> str:
    return "not JSON" if value[0] in _JSON_START else "not MessagePack"


def _plainly_fine(events: list[E], limits: Limits) -> bool:
    """Whether a whole chunk passes at a glance; where not, each event is looked at by itself."""
    if not events or type(events[0]) is not Behaviour:
        return False
    times = np.array([e.time for e in events])
    numbers = np.array([e.quantity + (e.value or 0.0) for e in events])  # type: ignore[attr-defined]
    ids = "".join([f"{e.item_id}{e.user_id}{e.event_id}" for e in events])  # type: ignore[attr-defined]
    return bool(
        ((times > 0) & (times <= limits.latest) & np.isfinite(numbers)).all()
        and ids.isprintable()
        and " " not in ids
        and all(e.schema == SCHEMA and e.type not in _WORDED for e in events)  # type: ignore[attr-defined]
    )


_WORDED = frozenset({"review", "rating"})


def _check_common(event: Event, limits: Limits) -> None:
    if abs(event.schema - SCHEMA) > 1:
        raise BadEvent("schema", f"schema {event.schema} is not {SCHEMA}, nor one older or newer")
    for name in ("item_id", "user_id", "event_id"):
        value = getattr(event, name, None)
        if value is not None and (not value.isprintable() or " " in value):
            raise BadEvent("id", f"{name} {value[:60]!r} has spaces or unprintable characters")
    if not math.isfinite(event.time) or event.time <= 0:
        raise BadEvent("time", f"time {event.time} is not a number of seconds since the epoch")
    if event.time > limits.latest:
        ahead = event.time - limits.latest
        raise BadEvent("time", f"time {event.time:.0f} is {ahead:.0f} s further ahead than allowed")


def _check_number(name: str, value: float | None) -> None:
    if value is not None and not math.isfinite(value):
        raise BadEvent("number", f"{name} is {value}")


def _check_text(name: str, text: str, limits: Limits) -> None:
    if len(text) > limits.max_text_chars:
        raise BadEvent(
            "too-long", f"{name} has {len(text)} characters, more than {limits.max_text_chars}"
        )


def _check_item(item: NewItem, limits: Limits) -> None:
    _check_number("price", item.price)
    _check_number("stock", item.stock)
    _check_number("launch_time", item.launch_time)
    for value in item.image_embedding or ():
        _check_number("image_embedding", value)
    _check_text("title", item.title, limits)
    _check_text("description", item.description, limits)
    if item.type == "upsert" and not item.title.strip() and not item.description.strip():
        raise BadEvent("empty-text", "an upsert needs a title or a description")


def _check_behaviour(event: Behaviour, limits: Limits) -> None:
    _check_number("quantity", event.quantity)
    _check_number("value", event.value)
    _check_number("rating", event.rating)
    if event.type == "rating" and event.rating is None:
        raise BadEvent("missing", "a rating needs `rating`")
    if event.type == "review":
        if not (event.text or "").strip():
            raise BadEvent("empty-text", "a review needs `text`")
        _check_text("text", event.text or "", limits)
        _check_text("title", event.title or "", limits)


def _check_nothing(event: Event, limits: Limits) -> None:
    pass


new_items = Reader(NewItem, _check_item)
behaviours = Reader(Behaviour, _check_behaviour)
texts = Reader(Text, _check_nothing)
encodings = Reader(Encoding, _check_nothing)
