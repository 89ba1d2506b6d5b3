"""A log as a worker takes it: without what it would refuse or drop as a duplicate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from streamer.errors import BadEvent
from streamer.events import Behaviour, NewItem
from streamer.intake import limits_of
from streamer.replay.record import Source, TimedRecord
from streamer.settings import Settings
from streamer.state.duplicates import DuplicateWindow
from streamer.topology import NEW_ITEMS
from streamer.validity import Limits
from streamer.wire import behaviours, new_items

BATCH_RECORDS = 4096
DUPLICATE = "duplicate"

Event = Behaviour | NewItem


class Accepted:
    """A source of events alone, those of a topic as if they came on one partition; what lies too far
    ahead is judged by when it was written, as a worker does. ``left_out`` counts what the latest pass
    left out by what is wrong with it, and ``reasons`` says more of the first of each."""

    def __init__(self, source: Source, settings: Settings) -> None:
        self._source, self._settings = source, settings
        self.name, self.about, self.total = source.name, source.about, source.total
        self.start_time, self.last_time = source.start_time, source.last_time
        self.left_out: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}

    def __iter__(self) -> Iterator[TimedRecord]:
        self.left_out.clear()
        records, size = iter(self._source), self._settings.duplicate_window_offsets
        items, acts = _Partition(size), _Partition(size)
        limits = limits_of(self._settings)
        while batch := list(islice(records, BATCH_RECORDS)):
            events = [self._event(record, limits) for record in batch]
            of_item = np.array([record.topic is NEW_ITEMS for record in batch])
            again = np.zeros(len(batch), bool)
            for partition, mine in ((items, of_item), (acts, ~of_item)):
                again[mine] = partition.repeated([events[at] for at in np.flatnonzero(mine)])
            self.left_out.update([DUPLICATE] * int(again.sum()))
            for record, event, drop in zip(batch, events, again.tolist(), strict=True):
                if event is not None and not drop:
                    yield TimedRecord(record.topic, record.key, event, record.time, record.kind)

    @property
    def rules(self) -> tuple[float, ...]:
        """What else decides what is left out."""
        of = self._settings
        return of.duplicate_window_offsets, of.max_text_chars, of.future_tolerance_seconds

    @property
    def told(self) -> str:
        """What was left out, in words; empty where nothing was."""
        counts = (f"{n:,} {code}" for code, n in self.left_out.most_common())
        reasons = "; ".join(self.reasons.values())
        return ", ".join(counts) + (f" ({reasons})" if reasons else "")

    def _event(self, record: TimedRecord, limits: Limits) -> Event | None:
        then = limits if record.written is None else limits.at(min(record.written, limits.now))
        try:
            if record.topic is NEW_ITEMS:
                return new_items.accept(record.value, then)
            return behaviours.accept(record.value, then)
        except BadEvent as bad:
            self.left_out[bad.code] += 1
            self.reasons.setdefault(bad.code, str(bad))
            return None


class _Partition:
    """What of a topic's events was there before."""

    def __init__(self, size: int) -> None:
        self._seen, self._next = DuplicateWindow(size), 0

    def repeated(self, events: Sequence[Event | None]) -> NDArray[np.bool_]:
        offsets = self._next + np.arange(len(events))
        self._next += len(events)
        return self._seen.duplicates(
            [event.event_id if event else None for event in events], offsets
        )
