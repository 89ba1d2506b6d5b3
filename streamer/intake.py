"""From raw chunks to ranges that can be applied: read, validated, freed of duplicates."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_hexdigest

from streamer import metrics, wire
from streamer.chunk import Chunk
from streamer.events import Behaviour, DeadLetter, Encoding, NewItem, Text
from streamer.settings import Settings
from streamer.state.batch import Range
from streamer.state.catalogue import tie_order
from streamer.state.duplicates import DuplicateWindow
from streamer.state.listing import Listing
from streamer.topology import NEW_ITEMS
from streamer.validity import Limits

Ints = NDArray[np.int64]


def limits_of(settings: Settings) -> Limits:
    """What an event that is read now may not exceed."""
    return Limits(
        now=time.time(),
        future_tolerance_seconds=settings.future_tolerance_seconds,
        max_text_chars=settings.max_text_chars,
        dead_letter_max_bytes=settings.dead_letter_max_bytes,
    )


@dataclass(slots=True)
class _Window:
    """The duplicate window of one partition, and the offset of the chunk that it expects."""

    log: str
    next: int
    seen: DuplicateWindow


@dataclass(slots=True)
class Taken:
    """What came of chunks that follow one another: their range, the texts in it for the inference
    worker, and what can't be used."""

    chunks: list[Chunk]
    range: Range
    texts: list[Text]
    dead_letters: list[DeadLetter]


@dataclass(slots=True)
class Intake:
    """Reads chunks in the order in which they come, each partition's from one log."""

    settings: Settings
    _windows: dict[tuple[str, int], _Window] = field(default_factory=dict)

    def take(self, chunks: Sequence[Chunk]) -> list[Taken]:
        """The chunks read, those of a partition as one range. Their records are let go."""
        found: dict[tuple[str, int], list[_Read]] = {}
        limits = self._limits()
        for chunk in chunks:
            read = self._read(chunk, limits)
            chunk.let_go()
            found.setdefault((chunk.topic, chunk.partition), []).append(read)
        return [_together(parts) for parts in found.values()]

    def _read(self, chunk: Chunk, limits: Limits) -> _Read:
        new_items = self._new_items(chunk)
        reader: wire.Reader[Any] = wire.new_items if new_items else wire.behaviours
        read = reader.read(chunk, limits)
        events, offsets, duplicates = self._distinct(chunk, read)
        texts = _descriptions if new_items else _reviews
        return _Read(
            chunk,
            new_items,
            events,
            offsets,
            duplicates,
            texts(chunk, events, offsets),
            read.dead_letters,
        )

    def _new_items(self, chunk: Chunk) -> bool:
        return chunk.topic == self.settings.topic(NEW_ITEMS.name)

    def encodings(self, chunk: Chunk) -> tuple[list[Encoding], list[DeadLetter]]:
        """The chunk's encodings, and what can't be used. The events that they are of have been
        judged by when they were written."""
        read = wire.encodings.read(chunk, self._limits().at(math.inf))
        _count(chunk, len(read.events), 0, read.dead_letters)
        return read.events, read.dead_letters

    def remember(self, chunk: Chunk) -> None:
        """Takes a chunk that is not to be applied into the duplicate window: the ids of its events,
        not those of its dead letters, which may be sent again as they are."""
        reader: wire.Reader[Any] = wire.new_items if self._new_items(chunk) else wire.behaviours
        read = reader.read(chunk, self._limits())
        self._window(chunk).duplicates([event.event_id for event in read.events], read.offsets)

    def _limits(self) -> Limits:
        return limits_of(self.settings)

    def _window(self, chunk: Chunk) -> DuplicateWindow:
        place = (chunk.topic, chunk.partition)
        window = self._windows.get(place)
        if window is None or window.log != chunk.log or window.next != chunk.start:
            seen = DuplicateWindow(self.settings.duplicate_window_offsets)
            window = self._windows[place] = _Window(chunk.log, chunk.start, seen)
        window.next = chunk.end
        return window.seen

    def _distinct(self, chunk: Chunk, read: wire.Batch[Any]) -> tuple[list[Any], Ints, Ints]:
        """Events and offsets without duplicates, and the offsets of those."""
        ids = [event.event_id for event in read.events]
        twice = self._window(chunk).duplicates(ids, read.offsets)
        count = int(np.count_nonzero(twice))
        _count(chunk, len(read.events) - count, count, read.dead_letters)
        if not count:
            return read.events, read.offsets, read.offsets[:0]
        once = [event for event, again in zip(read.events, twice, strict=True) if not again]
        return once, read.offsets[~twice], read.offsets[twice]


@dataclass(slots=True)
class _Read:
    """One chunk read."""

    chunk: Chunk
    new_items: bool
    events: list[Any]
    offsets: Ints
    duplicates: Ints
    texts: list[Text]
    dead_letters: list[DeadLetter]


def _together(parts: Sequence[_Read]) -> Taken:
    events = [event for part in parts for event in part.events]
    letters = [letter for part in parts for letter in part.dead_letters]
    whole = Range.of(parts[0].chunk)
    whole.end = parts[-1].chunk.end
    if parts[0].new_items:
        whole.catalogue = events
    else:
        whole.behaviour = events
    whole.offsets = np.concatenate([part.offsets for part in parts])
    whole.duplicates = np.concatenate([part.duplicates for part in parts])
    whole.dead = np.array([letter.offset for letter in letters], np.int64)
    texts = [text for part in parts for text in part.texts]
    return Taken([part.chunk for part in parts], whole, texts, letters)


def _count(chunk: Chunk, applied: int, duplicates: int, dead: list[DeadLetter]) -> None:
    chunks, records, *outcomes = _meters(chunk.topic)
    chunks.inc()
    records.observe(len(chunk))
    for outcome, count in zip(outcomes, (applied, duplicates, len(dead)), strict=True):
        outcome.inc(count)
    for letter in dead:
        metrics.DEAD_LETTERS.labels(letter.code).inc()


@cache
def _meters(topic: str) -> tuple[Any, ...]:
    """What counts a topic's chunks, their records, and events by outcome."""
    outcomes = (metrics.EVENTS.labels(topic, name) for name in ("applied", "duplicate", "dead"))
    return metrics.CHUNKS.labels(topic), metrics.CHUNK_RECORDS.labels(topic), *outcomes


def _reviews(chunk: Chunk, events: Sequence[Behaviour], offsets: Ints) -> list[Text]:
    return [
        review_text(event, event.event_id or _place(chunk, offset))
        for event, offset in zip(events, offsets.tolist(), strict=True)
        if event.type == "review"
    ]


def _descriptions(chunk: Chunk, events: Sequence[NewItem], offsets: Ints) -> list[Text]:
    return [
        description_text(event, event.event_id or _place(chunk, offset))
        for event, offset in zip(events, offsets.tolist(), strict=True)
        if event.type == "upsert"
    ]


def _place(chunk: Chunk, offset: int) -> str:
    return f"{chunk.topic}/{chunk.partition}/{offset}"


def review_text(event: Behaviour, text_id: str) -> Text:
    """A review's title and text for the inference worker."""
    return Text(
        item_id=event.item_id,
        kind="review",
        text_id=text_id,
        text=f"{event.title}. {event.text}" if event.title else event.text or "",
        language=event.language,
        time=event.time,
    )


def words(item: NewItem | Listing) -> str:
    """An item's title and description as one text."""
    return f"{item.title}. {item.description}" if item.description else item.title


def description_text(event: NewItem, event_id: str) -> Text:
    """An item's title and description as a text for the inference worker."""
    text = words(event)
    return Text(
        item_id=event.item_id,
        kind="description",
        text_id=xxh3_64_hexdigest(text.encode()),
        text=text,
        language=event.language,
        time=event.time,
        order=tie_order(event_id),
    )
