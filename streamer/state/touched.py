"""The items that a chunk touched, as arrays for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.state.known import MAX_CACHED_BYTES, Known, KnownItems, parse
from streamer.state.layout import ITEM
from streamer.state.store import Entry

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Touched:
    """Items with their state after a chunk.

    ``heads`` are layout.ITEM heads; ``tails`` the lists of each item, packed; ``known`` what is
    beside its record.
    """

    ids: list[str]
    heads: np.ndarray
    tails: list[bytes]
    known: list[Known]

    @property
    def x(self) -> Floats:
        """The fields, shape (items, fields)."""
        fields: Floats = self.heads["x"]
        return fields

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, end: int) -> Touched:
        """The items from place ``start`` up to, not including, ``end``."""
        block = slice(start, end)
        return Touched(self.ids[block], self.heads[block], self.tails[block], self.known[block])


def touched(
    ids: Sequence[str], entries: Sequence[Entry], asked: Sequence[Known], cache: KnownItems
) -> Touched:
    """The items of a script's entries. ``asked`` is what was known when the script was called;
    what came beside a record replaces it, here and in the cache.

    An item whose entry is None has no record (it expired) and is left out.
    """
    found: list[str] = []
    records: list[bytes] = []
    known: list[Known] = []
    for item_id, entry, beside in zip(ids, entries, asked, strict=True):
        if entry is None:
            continue
        if isinstance(entry, list):
            record, beside = parse(entry)
            if sum(len(part) for part in entry[1:] if part) <= MAX_CACHED_BYTES:
                cache.put(item_id, beside)
        else:
            record = entry
        found.append(item_id)
        records.append(record)
        known.append(beside)
    size, records = ITEM.head.itemsize, ITEM.current(records)
    heads = np.frombuffer(b"".join([record[:size] for record in records]), ITEM.head)
    return Touched(found, heads, [record[size:] for record in records], known)
