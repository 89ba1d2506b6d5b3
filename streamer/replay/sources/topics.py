"""What the input topics retain, as a source: a shop's own log where it lies already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from streamer import wire
from streamer.errors import BadEvent, ConfigurationError
from streamer.records import everything
from streamer.replay.record import UNREADABLE, TimedRecord
from streamer.replay.sources.ordering import SortedRecords
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

_READERS: tuple[tuple[Any, wire.Reader[Any]], ...] = (
    (NEW_ITEMS, wire.new_items),
    (USER_BEHAVIOUR, wire.behaviours),
)


@dataclass(slots=True)
class Span:
    """The first and last event time of some events, in seconds; infinite where there is none."""

    start_time: float = inf
    last_time: float = -inf

    def take(self, time: float) -> None:
        self.start_time = min(self.start_time, time)
        self.last_time = max(self.last_time, time)


class TopicSource:
    """`new-items` and `user-behaviour` as they are now, in order of event time; what can't be read
    is bytes, at the time at which it was written. Read once, at the beginning. Raises
    BrokerUnavailable, ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self.name = "the input topics"
        self.about = f"What {settings.broker} retains of new-items and user-behaviour."
        self.total = 0
        self._items, self._behaviour = Span(), Span()
        self._records = SortedRecords(self._read(settings))
        if self._behaviour.start_time == inf:
            raise ConfigurationError(
                f"{settings.broker} retains nothing of user-behaviour that can be read"
            )
        self.start_time = min(self._items.start_time, self._behaviour.start_time)
        self.last_time = max(self._items.last_time, self._behaviour.last_time)

    def __iter__(self) -> Iterator[TimedRecord]:
        return iter(self._records)

    def _read(self, settings: Settings) -> Iterator[TimedRecord]:
        spans = (self._items, self._behaviour)
        for (topic, reader), span in zip(_READERS, spans, strict=True):
            for record in everything(settings.broker, settings.topic(topic.name)):
                self.total += 1
                key, value = record.key or b"", record.value or b""
                written = max(record.timestamp or 0, 0) / 1000
                event = _event(reader, value)
                if event is None:
                    yield TimedRecord(topic, key, value, written, UNREADABLE, written or None)
                else:
                    span.take(event.time)
                    yield TimedRecord(topic, key, event, event.time, event.type, written or None)


def _event(reader: wire.Reader[Any], value: bytes) -> Any:
    """What a record holds, None where that is no event or has no place in time."""
    try:
        event = reader.decode(value)
    except BadEvent:
        return None
    return event if isfinite(event.time) else None
