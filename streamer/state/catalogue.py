"""What the catalogue says of items, as apply.lua takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from streamer.state.batch import News, Range
from streamer.state.keys import Keys
from streamer.state.known import kin_of
from streamer.state.listing import Listing, pack

Ints = NDArray[np.int64]


def tie_order(event_id: str) -> float:
    """Between events of equal time the one with the larger hash of its id stands: 53 bits, so
    that Lua compares them exactly."""
    return float(xxh3_64_intdigest(event_id.encode()) >> 11)


@dataclass(slots=True)
class CatalogueEntry:
    """What a batch says of one item; apply.lua's entry of the same order. ``ranges`` are those of
    its events, one an event."""

    item_id: str
    ranges: list[int] = field(default_factory=list)
    time: float = 0.0
    order: float = 0.0
    origin: str = ""
    launch_time: float = 0.0
    kin: str = ""
    facts: bytes = b""
    withdrawn: float = 0.0
    withdrawal: float = 0.0

    @property
    def events(self) -> int:
        return len(self.ranges)

    def by_range(self, count: int) -> Ints:
        """How many of the events are of each of so many ranges."""
        return np.bincount(self.ranges, minlength=count)

    def add(self, news: News, of: Range) -> None:
        event = news.event
        self.ranges.append(news.range)
        order = tie_order(event.event_id or f"{of.topic}/{of.partition}/{news.offset}")
        if event.type == "withdrawal":
            self.withdrawn, self.withdrawal = max(
                (self.withdrawn, self.withdrawal), (event.time, order)
            )
            return
        if not self.facts:
            self.origin = f"{of.watermark('i')}:{news.offset}"
            self.launch_time = event.launched
            self.kin = " ".join(kin_of(event))
        if not self.facts or (event.time, order) > (self.time, self.order):
            self.time, self.order, self.facts = event.time, order, pack(Listing.of(event))

    def packed(self) -> list[Any]:
        return [
            self.item_id,
            self.time,
            self.order,
            self.origin,
            self.launch_time,
            self.kin,
            self.facts,
            self.withdrawn,
            self.withdrawal,
        ]


def entries(
    news: Sequence[News], ranges: Sequence[Range], keys: Keys, first: Ints | None
) -> dict[str, CatalogueEntry]:
    """What is said of each item, by events from the offsets ``first`` (shards, ranges) on."""
    found: dict[str, CatalogueEntry] = {}
    for each in news:
        item_id = each.event.item_id
        if first is None or each.offset >= first[keys.shard[item_id], each.range]:
            found.setdefault(item_id, CatalogueEntry(item_id)).add(each, ranges[each.range])
    return found
