"""A source in portions, ready to be sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from streamer.publish import Record
from streamer.replay.progress import Sent
from streamer.replay.record import Source, TimedRecord


@dataclass(slots=True)
class Portion:
    """Some records: key and value by topic, what they are, and the event time they reach."""

    time: float
    records: defaultdict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    counts: Sent = field(default_factory=Sent)


class Feed:
    """The records of a source, the next one in sight."""

    def __init__(self, source: Source, max_record_bytes: int) -> None:
        self._records: Iterator[TimedRecord] = iter(source)
        self._max_bytes = max_record_bytes
        self._next = next(self._records, None)

    @property
    def next_time(self) -> float | None:
        """The next record's time; None at the end."""
        return self._next.time if self._next else None

    def take(self, limit: int, until: float) -> Portion:
        """At most ``limit`` records, none later than ``until``."""
        taken: list[TimedRecord] = []
        while len(taken) < limit and self._next and self._next.time <= until:
            taken.append(self._next)
            self._next = next(self._records, None)
        return self._portion(taken)

    def _portion(self, taken: list[TimedRecord]) -> Portion:
        portion = Portion(taken[-1].time if taken else 0.0)
        counts = portion.counts
        for record in taken:
            value = record.encoded()
            if len(value) + len(record.key) > self._max_bytes:
                counts.too_large += 1
                continue
            portion.records[record.topic.name].append((record.key, value))
            counts.by_kind[record.kind] += 1
        for topic, records in portion.records.items():
            counts.by_topic[topic] = len(records)
        return portion
