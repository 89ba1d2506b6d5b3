"""What a replay consists of: timed records, and the sources that yield them in time order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from streamer.events import Behaviour, NewItem
from streamer.topology import Topic
from streamer.wire import pack

UNREADABLE = "unreadable"
"""The kind of a record whose row could not be made an event; a worker turns it into a dead letter."""


class TimedRecord(Struct, frozen=True, gc=False):
    """One record on its way to a topic, due at ``time`` (event time, seconds since the epoch).

    ``value`` is the event itself, or bytes where there is no event: a row that can't be used
    travels as it is, so that it ends among the dead letters with the reason. ``kind`` is the
    event's type (`purchase`, `upsert`, …) or `UNREADABLE`. ``written`` is when it was written to the
    topic that it is read from, in seconds; None where it comes from elsewhere.
    """

    topic: Topic
    key: bytes
    value: Behaviour | NewItem | bytes
    time: float
    kind: str
    written: float | None = None

    def encoded(self) -> bytes:
        """The value as it goes over the wire."""
        value = self.value
        return value if isinstance(value, bytes) else pack(value)


class Source(Protocol):
    """Timed records in time order; each iteration starts from the beginning.

    ``about`` says in one or two sentences what is real about the data and what is made up.
    ``total`` is the number of records. ``start_time`` is where a paced replay begins: what is
    earlier is history and goes ahead without waiting. ``last_time`` is the last record's time.
    """

    name: str
    about: str
    total: int
    start_time: float
    last_time: float

    def __iter__(self) -> Iterator[TimedRecord]: ...
