"""MessagePack (and JSON, on input) to and from events.

Nothing that arrives can raise past ``read``: a record that is not a valid event comes back as a
dead letter with the precise reason, and its neighbours in the chunk are untouched.
"""

from __future__ import annotations

import math
import re
import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streamer.chunk import Chunk
from streamer.errors import BadEvent
from streamer.events import SCHEMA, Behaviour, DeadLetter, Encoding, Event, NewItem, Text
from streamer.validity import (
    Limits,
    check_behaviour,
    check_common,
    check_encoding,
    check_item,
    check_text,
)

E = TypeVar("E", bound=Event)

pack: Callable[[Struct], bytes] = msgspec.msgpack.Encoder().encode
_JSON_START = frozenset(b"{[ \t\r\n")

_FIELD = re.compile(r" - at `\$\.(\w+)`$")

MAX_REASON_CHARS = 500


@dataclass(slots=True)
class Batch(Generic[E]):
    """The usable events of a chunk with their offsets, and what could not be used."""

    events: list[E]
    offsets: np.ndarray
    dead_letters: list[DeadLetter]


class Reader(Generic[E]):
    """Reads one topic's records as events of one type. What comes ``from_outside`` is judged by
    when it was written, what is our own by when it is read."""

    def __init__(
        self, kind: type[E], check: Callable[[E, Limits], None], *, from_outside: bool = False
    ) -> None:
        self._msgpack = msgspec.msgpack.Decoder(kind).decode
        self._json = msgspec.json.Decoder(kind).decode
        self._check = check
        self._from_outside = from_outside

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
            raise _invalid(value, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadEvent("undecodable", f"{_format(value)}: {error}") from None

    def accept(self, value: Event | bytes | None, limits: Limits) -> E:
        """One event, or a record's value as one, shape and content checked. Raises BadEvent."""
        event = cast(E, value) if isinstance(value, Event) else self.decode(value)
        check_common(event, limits)
        self._check(event, limits)
        return event

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
        moments = np.full(len(chunk), limits.now)
        if self._from_outside:
            moments = limits.moments(chunk.timestamps_ms)
        mine = moments[kept] if dead else moments
        if not _plainly_fine(events, mine + limits.future_tolerance_seconds):
            events, kept = self._sift(chunk, events, kept, dead, limits, moments)
        return Batch(events, chunk.offsets[kept] if dead else chunk.offsets, dead)

    def _sift(
        self,
        chunk: Chunk,
        events: list[E],
        kept: list[int],
        dead: list[DeadLetter],
        limits: Limits,
        moments: NDArray[np.float64],
    ) -> tuple[list[E], list[int]]:
        good: list[E] = []
        places: list[int] = []
        then = limits
        for event, index, moment in zip(events, kept, moments[kept].tolist(), strict=True):
            if moment != then.now:
                then = limits.at(moment)
            try:
                check_common(event, then)
                self._check(event, then)
            except BadEvent as bad:
                dead.append(bury(chunk, index, bad, limits))
            else:
                good.append(event)
                places.append(index)
        return good, places


def board_names(chunk: Chunk) -> list[str]:
    """The boards that a chunk of `board-changes` names; the key alone says it."""
    return [key.decode(errors="replace") for key in chunk.keys if key]


def bury(chunk: Chunk, index: int, bad: BadEvent, limits: Limits) -> DeadLetter:
    """The dead letter of one record of a chunk."""
    value = chunk.values[index]
    key, most = chunk.keys[index], limits.dead_letter_max_bytes
    return DeadLetter(
        topic=chunk.topic,
        partition=chunk.partition,
        offset=int(chunk.offsets[index]),
        code=bad.code,
        reason=str(bad)[:MAX_REASON_CHARS],
        time=clock.time(),
        key=key and key[:most],
        value=value and value[:most],
        value_bytes=len(value or b""),
        truncated=max(len(key or b""), len(value or b"")) > most,
    )


def _invalid(value: bytes, reason: str) -> BadEvent:
    """What is wrong with a value that is readable, but not as an event. A bound that a NaN or an
    infinity does not keep is named by itself."""
    if reason.startswith("Expected `object`") and " - at " not in reason:
        return BadEvent("invalid", f"neither a JSON object nor a MessagePack map: {reason}")
    field = _FIELD.search(reason)
    number = _number(value, field[1]) if field else None
    if field and number is not None and not math.isfinite(number):
        return BadEvent("number", f"{field[1]} is {number}")
    return BadEvent("invalid", reason)


def _number(value: bytes, name: str) -> float | None:
    """A field of a MessagePack map, if it is a float; behind it anything may be broken."""
    try:
        number = msgspec.msgpack.decode(value)[name]
    except Exception:
        return None
    return number if isinstance(number, float) else None


def _format(value: bytes) -> str:
    return "not JSON" if value[0] in _JSON_START else "not MessagePack"


def _plainly_fine(events: list[E], latest: NDArray[np.float64]) -> bool:
    """Whether a whole chunk passes at a glance, each event no later than ``latest``, in seconds;
    where not, each event is looked at by itself."""
    if not events or type(events[0]) is not Behaviour:
        return False
    times = np.array([e.time for e in events])
    numbers = sum([e.quantity + (e.value or 0.0) for e in events])  # type: ignore[attr-defined]
    ids = "".join([f"{e.item_id}{e.user_id}{e.event_id}" for e in events])  # type: ignore[attr-defined]
    return bool(
        ((times > 0) & (times <= latest)).all()
        and math.isfinite(numbers)
        and ids.isprintable()
        and " " not in ids
        and {e.schema for e in events} == {SCHEMA}
        and _WORDED.isdisjoint([e.type for e in events])  # type: ignore[attr-defined]
    )


_WORDED = frozenset({"review", "rating"})


new_items = Reader(NewItem, check_item, from_outside=True)
behaviours = Reader(Behaviour, check_behaviour, from_outside=True)
texts = Reader(Text, check_text)
encodings = Reader(Encoding, check_encoding)
