"""What makes an event valid beyond its shape; each check raises BadEvent with the precise reason."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.errors import BadEvent
from streamer.events import REVIEW_DIMENSIONS, SCHEMA, Behaviour, Encoding, Event, NewItem, Text

LAUNCH_AHEAD_SECONDS = 366 * 86400.0
"""How far ahead of the latest event time a launch may be announced."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an event may not exceed. ``now`` is the time of reading, in seconds since the epoch; an
    event may lie ``future_tolerance_seconds`` after it."""

    now: float
    future_tolerance_seconds: float
    max_text_chars: int
    dead_letter_max_bytes: int

    @property
    def latest(self) -> float:
        """The largest event time accepted, in seconds."""
        return self.now + self.future_tolerance_seconds

    def moments(self, timestamps_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """The time, in seconds, by which each record is judged, whenever it is read: its own
        timestamp. ``now`` where it has none, or lies ahead: a producer's clock may be wrong."""
        stamped = timestamps_ms / 1000
        stamped[timestamps_ms <= 0] = self.now
        return np.minimum(stamped, self.now)

    def at(self, moment: float) -> Limits:
        """The same at another time, in seconds."""
        return Limits(
            moment, self.future_tolerance_seconds, self.max_text_chars, self.dead_letter_max_bytes
        )


def check_common(event: Event, limits: Limits) -> None:
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


def _check_length(name: str, text: str, limits: Limits) -> None:
    if len(text) > limits.max_text_chars:
        raise BadEvent(
            "too-long", f"{name} has {len(text)} characters, more than {limits.max_text_chars}"
        )


def check_item(item: NewItem, limits: Limits) -> None:
    _check_number("price", item.price)
    _check_number("stock", item.stock)
    _check_number("launch_time", item.launch_time)
    if item.launch_time is not None and item.launch_time <= 0:
        raise BadEvent("time", f"launch_time {item.launch_time} is not after the epoch")
    if item.launch_time is not None and item.launch_time > limits.latest + LAUNCH_AHEAD_SECONDS:
        raise BadEvent("time", f"launch_time {item.launch_time:.0f} is more than a year ahead")
    for value in item.image_embedding or ():
        _check_number("image_embedding", value)
    _check_length("title", item.title, limits)
    _check_length("description", item.description, limits)
    for name, fact in item.attributes.items():
        if isinstance(fact, float):
            _check_number(f"attribute {name[:60]!r}", fact)
    facts = (f"{name}{fact}" for name, fact in item.attributes.items())
    _check_length("all attributes together", "".join(facts), limits)
    if item.type == "upsert" and not item.title.strip() and not item.description.strip():
        raise BadEvent("empty-text", "an upsert needs a title or a description")


def check_behaviour(event: Behaviour, limits: Limits) -> None:
    _check_number("quantity", event.quantity)
    _check_number("value", event.value)
    _check_number("rating", event.rating)
    if event.type == "rating" and event.rating is None:
        raise BadEvent("missing", "a rating needs `rating`")
    if event.type == "review":
        if not (event.text or "").strip():
            raise BadEvent("empty-text", "a review needs `text`")
        _check_length("text", event.text or "", limits)
        _check_length("title", event.title or "", limits)


def check_text(text: Text, limits: Limits) -> None:
    _check_number("order", text.order)


def check_encoding(encoding: Encoding, limits: Limits) -> None:
    _check_number("order", encoding.order)
    _check_number("sentiment", encoding.sentiment)
    if encoding.sentiment is not None and not 0 <= encoding.sentiment <= 1:
        raise BadEvent("number", f"sentiment {encoding.sentiment} is not a probability")
    size = len(encoding.vector)
    if encoding.kind == "review" and size != 2 * REVIEW_DIMENSIONS:
        raise BadEvent("vector", f"a review's vector has {size} bytes, not {2 * REVIEW_DIMENSIONS}")
    if encoding.kind == "description" and (not size or size % 2):
        raise BadEvent("vector", f"a vector of {size} bytes is not one of float16")
    if (
        encoding.kind == "description"
        and not np.isfinite(np.frombuffer(encoding.vector, "<f2")).all()
    ):
        raise BadEvent("vector", "a vector has a number that is not finite")
