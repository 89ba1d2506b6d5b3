"""From raw chunks to batches that can be applied: read, validated, freed of duplicates."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_hexdigest

from streamer import metrics, wire
from streamer.chunk import Chunk
from streamer.events import Behaviour, DeadLetter, Encoding, NewItem, Text
from streamer.settings import Settings
from streamer.state.behaviour import BehaviourBatch
from streamer.state.catalogue import CatalogueBatch, tie_order
from streamer.state.columns import Pseudonyms, columns
from streamer.state.duplicates import DuplicateWindow
from streamer.topology import NEW_ITEMS
from streamer.validity import Limits

Ints = NDArray[np.int64]


@dataclass(slots=True)
class _Window:
    """The duplicate window of one partition, and the offset of the chunk that it expects."""

    log: str
    next: int
    seen: DuplicateWindow


@dataclass(slots=True)
class Intake:
    """Reads chunks in the order in which they come, each partition's from one log."""

    settings: Settings
    _windows: dict[tuple[str, int], _Window] = field(default_factory=dict)
    _pseudonyms: Pseudonyms = field(init=False)

    def __post_init__(self) -> None:
        self._pseudonyms = Pseudonyms(self.settings.user_key.get_secret_value())

    def behaviour(self, chunk: Chunk) -> tuple[BehaviourBatch, list[Text], list[DeadLetter]]:
        """The chunk's events, the reviews among them as texts, and what can't be used."""
        read = wire.behaviours.read(chunk, self._limits())
        events, offsets, duplicates = self._distinct(chunk, read)
        rows = columns(events, offsets, self._pseudonyms)
        batch = BehaviourBatch(chunk, rows, duplicates, _offsets(read.dead_letters))
        texts = [
            review_text(event, event.event_id or _place(chunk, offset))
            for event, offset in zip(events, offsets.tolist(), strict=True)
            if event.type == "review"
        ]
        return batch, texts, read.dead_letters

    def catalogue(self, chunk: Chunk) -> tuple[CatalogueBatch, list[Text], list[DeadLetter]]:
        """The chunk's events, their descriptions as texts, and what can't be used."""
        read = wire.new_items.read(chunk, self._limits())
        events, offsets, duplicates = self._distinct(chunk, read)
        batch = CatalogueBatch(chunk, events, offsets, duplicates, _offsets(read.dead_letters))
        texts = [
            description_text(event, event.event_id or _place(chunk, offset))
            for event, offset in zip(events, offsets.tolist(), strict=True)
            if event.type == "upsert"
        ]
        return batch, texts, read.dead_letters

    def encodings(self, chunk: Chunk) -> tuple[list[Encoding], list[DeadLetter]]:
        """The chunk's encodings, and what can't be used."""
        read = wire.encodings.read(chunk, self._limits())
        _count(chunk, len(read.events), 0, read.dead_letters)
        return read.events, read.dead_letters

    def remember(self, chunk: Chunk) -> None:
        """Takes a chunk that is not to be applied into the duplicate window: the ids of its events,
        not those of its dead letters, which may be sent again as they are."""
        new_items = chunk.topic == self.settings.topic(NEW_ITEMS.name)
        reader: wire.Reader[Any] = wire.new_items if new_items else wire.behaviours
        read = reader.read(chunk, self._limits())
        self._window(chunk).duplicates([event.event_id for event in read.events], read.offsets)

    def _limits(self) -> Limits:
        return Limits(
            latest=time.time() + self.settings.future_tolerance_seconds,
            max_text_chars=self.settings.max_text_chars,
            dead_letter_max_bytes=self.settings.dead_letter_max_bytes,
        )

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
        _count(chunk, len(read.events) - int(twice.sum()), int(twice.sum()), read.dead_letters)
        if not twice.any():
            return read.events, read.offsets, read.offsets[:0]
        once = [event for event, again in zip(read.events, twice, strict=True) if not again]
        return once, read.offsets[~twice], read.offsets[twice]


def _count(chunk: Chunk, applied: int, duplicates: int, dead: list[DeadLetter]) -> None:
    metrics.CHUNKS.labels(chunk.topic).inc()
    metrics.CHUNK_RECORDS.labels(chunk.topic).observe(len(chunk))
    for outcome, count in (("applied", applied), ("duplicate", duplicates), ("dead", len(dead))):
        metrics.EVENTS.labels(chunk.topic, outcome).inc(count)
    for letter in dead:
        metrics.DEAD_LETTERS.labels(letter.code).inc()


def _offsets(letters: list[DeadLetter]) -> Ints:
    return np.array([letter.offset for letter in letters], np.int64)


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


def description_text(event: NewItem, event_id: str) -> Text:
    """An item's title and description as a text for the inference worker."""
    text = f"{event.title}. {event.description}" if event.description else event.title
    return Text(
        item_id=event.item_id,
        kind="description",
        text_id=xxh3_64_hexdigest(text.encode()),
        text=text,
        language=event.language,
        time=event.time,
        order=tie_order(event_id),
    )
