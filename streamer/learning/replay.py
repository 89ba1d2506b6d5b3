"""Replays an event log through the state code that serves, and looks at items on the way.

There is no second implementation of a feature: events are aggregated, applied and read back by the
same functions, on a Redis of the replay's own. Items are looked at at given ages. An item's own
state is exactly that of the moment; its relatives may be up to `WINDOW_SECONDS` ahead, as they are
live, where other partitions run ahead by a little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from typing import Any, TypeGuard

import numpy as np

from streamer.events import Behaviour, Encoding, NewItem
from streamer.replay.record import TimedRecord
from streamer.state.batch import Batch, Range
from streamer.state.birth import COUNTED, ENCODED, Extent, open_logs
from streamer.state.columns import Pseudonyms
from streamer.state.encoded import apply_encodings
from streamer.state.features import ensure_kin
from streamer.state.kin import KinTable
from streamer.state.layout import DAY
from streamer.state.reading import read_items
from streamer.state.relatives import apply_both
from streamer.state.store import Store
from streamer.state.table import ItemTable
from streamer.state.touched import Touched

AT_FIRST_SIGHT = -1.0
"""The age of an item that has just come up in the catalogue, before anyone has done anything."""
WINDOW_SECONDS = 3600.0
WINDOW_RECORDS = 4000
CACHE_BYTES = 512 * 2**20
"""Room for all of a year: nothing of an item is read twice."""
_CATALOGUE, _BEHAVIOUR = "replayed-items", "replayed-behaviour"
_ENCODINGS = "replayed-encodings"
_PHASES = {_CATALOGUE: COUNTED, _BEHAVIOUR: COUNTED, _ENCODINGS: ENCODED}


async def _onwards() -> None:
    """Nothing is to be done between two windows."""


@dataclass(frozen=True, slots=True)
class Look:
    """Items looked at together, each at its own ``time`` (seconds) and ``age`` (days)."""

    items: Touched
    kin: KinTable
    time: np.ndarray
    age: np.ndarray


@dataclass
class Replay:
    """Feeds records, in time order, to a store that is empty at first.

    ``ages_days`` says at which ages since its launch an item is looked at, by its first upsert; at
    none that lie before that. ``encode`` gives the
    encodings of an event's text, applied right after the event; it may give none.
    """

    store: Store
    ages_days: Callable[[NewItem], Sequence[float]]
    encode: Callable[[Behaviour | NewItem], Iterable[Encoding]] = lambda _: ()
    table: ItemTable = field(default_factory=lambda: ItemTable(CACHE_BYTES))
    kin: KinTable = field(default_factory=KinTable)
    _pseudonyms: Pseudonyms = field(default_factory=lambda: Pseudonyms("replay"))
    _offsets: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_PHASES, 0))
    _due: list[tuple[float, float, str]] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _done: int = 0

    async def run(
        self,
        records: Iterable[TimedRecord],
        progress: Callable[[int], None],
        rest: Callable[[], Awaitable[None]] = _onwards,
    ) -> AsyncIterator[Look]:
        """Replays everything, or what comes after a `place`; yields looks as they fall due.
        ``progress`` is told how many records are done. ``rest`` is awaited wherever the replay could
        go on from its place."""
        extents = [Extent(log, 0, log, None, 0, 2**53, phases) for log, phases in _PHASES.items()]
        await open_logs(self.store, extents)
        for window in _windows(islice(records, self._done, None)):
            async for look in self._window(window):
                yield look
            self._done += len(window)
            progress(self._done)
            await rest()

    @property
    def place(self) -> dict[str, Any]:
        """Where it is, beside what is in the store; as JSON has it."""
        seen = sorted(self._seen)
        return {"done": self._done, "offsets": self._offsets, "due": self._due, "seen": seen}

    def go_on(self, place: Mapping[str, Any]) -> None:
        """Goes on from a `place`, with the store as it was there."""
        self._done, self._offsets = place["done"], place["offsets"]
        self._due = [(time, age, item_id) for time, age, item_id in place["due"]]
        self._seen = set(place["seen"])

    async def _window(self, window: list[TimedRecord]) -> AsyncIterator[Look]:
        events = [record.value for record in window if not isinstance(record.value, bytes)]
        self._schedule(events)
        looks = self._falling_due(window[-1].time)
        pending: defaultdict[str, list[Behaviour | NewItem]] = defaultdict(list)
        for event in events:
            pending[event.item_id].append(event)
        while looks:
            now = {item_id: times.pop(0) for item_id, times in looks.items()}
            looks = {item_id: times for item_id, times in looks.items() if times}
            await self._apply(_taken(pending, now))
            yield await self._look(now)
        await self._apply([event for left in pending.values() for event in left])

    def _schedule(self, events: Iterable[Behaviour | NewItem]) -> None:
        for event in events:
            if not _is_upsert(event) or event.item_id in self._seen:
                continue
            self._seen.add(event.item_id)
            for age in self.ages_days(event):
                time = event.time if age == AT_FIRST_SIGHT else event.launched + age * DAY
                heappush(self._due, (time, age, event.item_id))

    def _falling_due(self, end: float) -> dict[str, list[tuple[float, float]]]:
        """(time, age) of every look that is due in a window that ends then, by item, in order. More
        events of that very moment may follow: a look that is to see them waits, one at first sight
        must not."""
        found: dict[str, list[tuple[float, float]]] = {}
        while self._due and self._due[0][:2] <= (end, AT_FIRST_SIGHT):
            time, age, item_id = heappop(self._due)
            found.setdefault(item_id, []).append((time, age))
        return found

    async def _apply(self, events: Sequence[Behaviour | NewItem]) -> None:
        items = [event for event in events if isinstance(event, NewItem)]
        acts = [event for event in events if isinstance(event, Behaviour)]
        if events:
            ranges = [
                Range.holding(_CATALOGUE, self._next(_CATALOGUE, len(items)), catalogue=items),
                Range.holding(_BEHAVIOUR, self._next(_BEHAVIOUR, len(acts)), behaviour=acts),
            ]
            batch = Batch.of(ranges, self.store.keys, self._pseudonyms)
            await apply_both(self.store, batch, self.table, self.kin)
        encodings = [encoding for event in events for encoding in self.encode(event)]
        if encodings:
            start = self._next(_ENCODINGS, len(encodings))
            read = Range.holding(_ENCODINGS, start)
            read.end += len(encodings)
            await apply_encodings(self.store, read, encodings, self.table)

    def _next(self, log: str, records: int) -> int:
        """Where so many records begin in a log."""
        start = self._offsets[log]
        self._offsets[log] = start + records
        return start

    async def _look(self, now: dict[str, tuple[float, float]]) -> Look:
        items = await read_items(self.store, list(now), self.table)
        await ensure_kin(items, self.kin, self.store)
        times = np.array([now[item_id] for item_id in items.ids]).reshape(-1, 2)
        return Look(items, self.kin, times[:, 0], times[:, 1])


def _is_upsert(event: Behaviour | NewItem) -> TypeGuard[NewItem]:
    return isinstance(event, NewItem) and event.type == "upsert"


def _windows(records: Iterable[TimedRecord]) -> Iterator[list[TimedRecord]]:
    window: list[TimedRecord] = []
    for record in records:
        if window and (
            len(window) >= WINDOW_RECORDS or record.time - window[0].time >= WINDOW_SECONDS
        ):
            yield window
            window = []
        window.append(record)
    if window:
        yield window


def _taken(
    pending: dict[str, list[Behaviour | NewItem]], now: dict[str, tuple[float, float]]
) -> list[Behaviour | NewItem]:
    """Takes out the events of these items up to their moments."""
    taken: list[Behaviour | NewItem] = []
    for item_id, (moment, age) in now.items():
        events = pending.get(item_id, [])
        count = sum(event.time <= moment for event in events)
        if age == AT_FIRST_SIGHT:
            count = next((n for n, e in enumerate(events, 1) if _is_upsert(e)), 0)
        taken += events[:count]
        del events[:count]
    return taken
