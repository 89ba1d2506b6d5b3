"""Item records as columns, and their bytes in Redis: an etag, then a record of layout.ITEM."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.state.layout import ITEM
from streamer.state.members import EMPTY, LISTS, WIDTH, Counts, Slots, filled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Etags = NDArray[np.uint64]

ABSENT = 0
"""The etag of an item without a record."""
ETAG_BYTES = 8


def etag_of(stored: bytes) -> int:
    """The etag before a record."""
    return int.from_bytes(stored[:ETAG_BYTES], "little")


@dataclass(slots=True)
class Records:
    """Records of items: their fields ``x`` (items, fields), the lengths of their lists ``counts``
    (items, lists) and the members of these in ``slots`` (items, WIDTH)."""

    x: Floats
    counts: Counts
    slots: Slots

    @classmethod
    def empty(cls, count: int) -> Records:
        """Records of items that nothing has happened to."""
        return cls(
            ITEM.identities(count),
            np.zeros((count, len(LISTS)), np.uint16),
            np.full((count, WIDTH), EMPTY, np.uint32),
        )

    @classmethod
    def unpacked(cls, records: Sequence[bytes]) -> Records:
        """From records without their etags. Raises StoreMismatch."""
        records, size = ITEM.current(records), ITEM.head.itemsize
        heads = np.frombuffer(b"".join([record[:size] for record in records]), ITEM.head)
        found = cls.empty(len(records))
        found.x[:], found.counts[:] = heads["x"], heads["counts"]
        members = np.frombuffer(b"".join([record[size:] for record in records]), "<u4")
        found.slots[filled(found.counts)] = members
        return found

    def packed(self, etag: int) -> Packed:
        heads = np.zeros(len(self), _STORED_HEAD)
        heads["etag"], heads["schema"] = etag, ITEM.schema
        heads["counts"], heads["x"] = self.counts, self.x
        ends = np.cumsum(self.counts.sum(axis=1, dtype=np.int64))
        members = self.slots[self.slots != EMPTY].astype("<u4", copy=False)
        return Packed(heads, members, ends)

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Ints | slice) -> Records:
        return Records(self.x[rows], self.counts[rows], self.slots[rows])

    def put(self, rows: Ints | slice, records: Records) -> None:
        self.x[rows], self.counts[rows] = records.x, records.counts
        self.slots[rows] = records.slots


_STORED_HEAD = np.dtype([("etag", "<u8"), *((n, ITEM.head[n]) for n in ITEM.head.names or ())])


@dataclass(slots=True)
class Packed:
    """The bytes of records: ``heads`` one after the other, ``members`` one after the other, those
    of a record up to its place in ``ends``."""

    heads: np.ndarray
    members: NDArray[np.uint32]
    ends: Ints

    def part(self, places: slice) -> tuple[bytes, bytes, bytes]:
        """Heads, members, and where each record's members end among these, in bytes (u32)."""
        first = int(self.ends[places.start - 1]) if places.start else 0
        last = int(self.ends[places.stop - 1]) if places.stop > places.start else first
        ends = (4 * (self.ends[places] - first)).astype("<u4")
        return self.heads[places].tobytes(), self.members[first:last].tobytes(), ends.tobytes()


_etags = itertools.count(1 + (int.from_bytes(os.urandom(ETAG_BYTES)) >> 1))


def next_etag() -> int:
    """An etag that nobody else gives out: this process counts from a random place in 63 bits."""
    return next(_etags)
