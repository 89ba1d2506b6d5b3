"""A batch: what came of one or more partitions, ready to be applied in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.chunk import Chunk
from streamer.events import Behaviour, NewItem
from streamer.state.columns import Columns, Pseudonyms, columns
from streamer.state.keys import Keys, watermark

Ints = NDArray[np.int64]
_NONE = np.empty(0, np.int64)


@dataclass(slots=True)
class Range:
    """Offsets ``start`` up to, not including, ``end`` of one log, and what came of the records
    there: events of either kind with their offsets, and the offsets of those that are dropped."""

    log: str
    partition: int
    topic: str
    start: int
    end: int
    behaviour: list[Behaviour] = field(default_factory=list)
    catalogue: list[NewItem] = field(default_factory=list)
    offsets: Ints = field(default_factory=lambda: _NONE)
    duplicates: Ints = field(default_factory=lambda: _NONE)
    dead: Ints = field(default_factory=lambda: _NONE)

    @classmethod
    def of(cls, chunk: Chunk) -> Range:
        return cls(chunk.log, chunk.partition, chunk.topic, chunk.start, chunk.end)

    @classmethod
    def holding(
        cls,
        log: str,
        start: int,
        *,
        partition: int = 0,
        behaviour: Sequence[Behaviour] = (),
        catalogue: Sequence[NewItem] = (),
    ) -> Range:
        """A range of consecutive offsets with these events, of one kind or the other."""
        end = start + len(behaviour) + len(catalogue)
        offsets = np.arange(start, end)
        return cls(
            log, partition, log, start, end, list(behaviour), list(catalogue), offsets=offsets
        )

    def watermark(self, phase: str) -> str:
        return watermark(phase, self.log, self.partition)

    def dropped_from(self, offset: int) -> tuple[int, int]:
        """How many duplicates and dead letters there are from an offset on."""
        return int((self.duplicates >= offset).sum()), int((self.dead >= offset).sum())


class News(NamedTuple):
    """A catalogue event, the range it is of, and its offset there."""

    event: NewItem
    range: int
    offset: int


@dataclass(eq=False)
class Batch:
    """Ranges of different logs. ``items`` are all items that occur, sorted by shard: those of
    shard s are ``items[bounds[s]:bounds[s + 1]]``; ``places`` says where each item is."""

    ranges: list[Range]
    items: list[str]
    places: dict[str, int]
    bounds: Ints
    rows: Columns
    news: list[News]

    @classmethod
    def of(cls, ranges: Sequence[Range], keys: Keys, pseudonyms: Pseudonyms) -> Batch:
        news = [
            News(event, number, offset)
            for number, each in enumerate(ranges)
            for event, offset in zip(each.catalogue, each.offsets.tolist(), strict=False)
        ]
        acts = [(number, each) for number, each in enumerate(ranges) if each.behaviour]
        events = [event for _, each in acts for event in each.behaviour]
        ids = [event.item_id for event in events] + [each.event.item_id for each in news]
        ids = list(dict.fromkeys(ids))
        order, bounds = by_shard(ids, keys)
        items = [ids[place] for place in order.tolist()]
        places = dict(zip(items, range(len(items)), strict=True))
        rows = columns(
            events,
            np.concatenate([_NONE, *(each.offsets for _, each in acts)]),
            np.concatenate([_NONE, *(np.full(len(each.behaviour), n) for n, each in acts)]),
            places,
            pseudonyms,
        )
        return cls(list(ranges), items, places, bounds, rows, news)

    @cached_property
    def clock(self) -> float | None:
        """The largest event time."""
        times = [n.event.time for n in self.news]
        if len(self.rows):
            times.append(float(self.rows.time.max()))
        return max(times, default=None)

    def shards_of(self, places: Ints) -> Ints:
        """The shard of each of these items."""
        return np.searchsorted(self.bounds, places, side="right") - 1


def by_shard(ids: Sequence[str], keys: Keys) -> tuple[Ints, Ints]:
    """The order that sorts the ids by shard, and where each shard begins in it."""
    shard = np.fromiter(map(keys.shard.__getitem__, ids), np.int64, len(ids))
    order = np.argsort(shard, kind="stable")
    return order, np.searchsorted(shard[order], np.arange(keys.shards + 1))
