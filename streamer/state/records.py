"""Item records as columns, and their bytes in Redis.

Behind an etag stands the record: its schema, the lengths of its lists, its version and aux counts,
which fields differ from the identity (a bit each, in the order of the layout), then these fields
and the members of its lists. Most fields of most items are as nothing had happened; they take a bit.
Schema, version and aux stand at the same place in every schema, so that scripts find them.
"""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.errors import StoreMismatch
from streamer.state.layout import ITEM
from streamer.state.members import EMPTY, LISTS, WIDTH, Counts, Slots, filled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Etags = NDArray[np.uint64]
Mask = NDArray[np.bool_]

ABSENT = 0
"""The etag of an item without a record."""
ETAG_BYTES = 8

_COUNTED = ("version", "aux")
"""Fields that stand in the head of every record."""
HEAD = np.dtype(
    [
        ("schema", "<u2"),
        ("counts", "<u2", (len(LISTS),)),
        *((name, "<f8") for name in _COUNTED),
        ("present", "<u8"),
    ]
)
"""What a record begins with."""
_STORED_HEAD = np.dtype([("etag", "<u8"), *((name, HEAD[name]) for name in HEAD.names or ())])
_MOST_FIELDS = 64


def place_of(name: str) -> int:
    """Where in a record, in bytes, a field of its head is."""
    assert HEAD.fields
    place: int = HEAD.fields[name][1]
    return place


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
        """From records without their etags, those of an older schema carried over by field name.
        Raises StoreMismatch."""
        found = cls.empty(len(records))
        of_schema: defaultdict[bytes, list[int]] = defaultdict(list)
        for place, record in enumerate(records):
            of_schema[record[:2]].append(place)
        for stamp, places in of_schema.items():
            found._take_in(places, [records[place] for place in places], fields_of(stamp))
        return found

    def _take_in(self, places: list[int], records: Sequence[bytes], fields: Sequence[str]) -> None:
        heads = np.frombuffer(b"".join([record[: HEAD.itemsize] for record in records]), HEAD)
        tails = np.frombuffer(b"".join([record[HEAD.itemsize :] for record in records]), "<u4")
        present = _mask(heads["present"], len(fields))
        is_field = _is_field(present, heads["counts"])
        x = np.tile(_identity(fields), (len(records), 1))
        x[present] = tails[is_field].view("<f8")
        for name in _COUNTED:
            x[:, fields.index(name)] = heads[name]
        known = [column for column, name in enumerate(fields) if name in ITEM.index]
        self.x[np.ix_(places, [ITEM.index[fields[column]] for column in known])] = x[:, known]
        self.counts[places] = heads["counts"]
        slots = np.full((len(records), WIDTH), EMPTY, np.uint32)
        slots[filled(heads["counts"])] = tails[~is_field]
        self.slots[places] = slots

    def packed(self, etag: int) -> list[bytes]:
        """The bytes of each record behind its new etag."""
        heads = np.zeros(len(self), _STORED_HEAD)
        heads["etag"], heads["schema"], heads["counts"] = etag, ITEM.schema, self.counts
        present = self.x != ITEM.identity
        for name in _COUNTED:
            heads[name] = self.x[:, ITEM.index[name]]
            present[:, ITEM.index[name]] = False
        heads["present"] = _bits(present)
        is_field = _is_field(present, self.counts)
        tails = np.empty(len(is_field), "<u4")
        tails[is_field] = self.x[present].view("<u4")
        tails[~is_field] = self.slots[self.slots != EMPTY]
        ends = 4 * np.cumsum(_lengths(present, self.counts).sum(axis=1))
        return _joined(heads.tobytes(), tails.tobytes(), ends.tolist())

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Ints | slice) -> Records:
        return Records(self.x[rows], self.counts[rows], self.slots[rows])

    def put(self, rows: Ints | slice, records: Records) -> None:
        self.x[rows], self.counts[rows] = records.x, records.counts
        self.slots[rows] = records.slots


def _joined(heads: bytes, tails: bytes, ends: list[int]) -> list[bytes]:
    """Each head with its tail, which ends there."""
    size = _STORED_HEAD.itemsize
    starts = range(0, len(heads), size)
    return [
        heads[start : start + size] + tails[begin:end]
        for start, begin, end in zip(starts, [0, *ends], ends, strict=False)
    ]


def fields_of(stamp: bytes) -> tuple[str, ...]:
    """The fields of records that begin with this stamp, in their order. Raises StoreMismatch."""
    if stamp == ITEM.stamp:
        return ITEM.fields
    schema = int.from_bytes(stamp, "little")
    fields = dict(ITEM.older).get(schema)
    if fields is None:
        mend = "run the newer streamer on this store"
        if schema < ITEM.schema:
            mend = "empty Redis and start a worker with --rebuild"
        raise StoreMismatch(
            f"a stored item record has schema {schema}, this streamer reads {ITEM.schema}; {mend}"
        )
    return fields


def _identity(fields: Sequence[str]) -> Floats:
    """What the fields are where nothing happened; of those that there are no more it is not known."""
    known = dict(zip(ITEM.fields, ITEM.identity.tolist(), strict=True))
    return np.array([known.get(name, np.nan) for name in fields])


def _bits(present: Mask) -> NDArray[np.uint64]:
    """A number of each row, whose bits the row are."""
    wide = np.zeros((len(present), _MOST_FIELDS), bool)
    wide[:, : present.shape[1]] = present
    bits: NDArray[np.uint64] = np.packbits(wide, axis=1, bitorder="little").view("<u8")[:, 0]
    return bits


def _mask(bits: NDArray[np.uint64], fields: int) -> Mask:
    """The rows of which these are the bits."""
    places = np.frombuffer(bits.astype("<u8").tobytes(), np.uint8).reshape(-1, 8)
    return np.unpackbits(places, axis=1, count=fields, bitorder="little").astype(bool)


def _lengths(present: Mask, counts: Counts) -> Ints:
    """How many units of 32 bits the fields and the members of each record take, (records, 2)."""
    return np.column_stack([2 * present.sum(axis=1), counts.sum(axis=1, dtype=np.int64)])


def _is_field(present: Mask, counts: Counts) -> Mask:
    """Which units of the tails of records are of fields."""
    return np.repeat(np.tile([True, False], len(present)), _lengths(present, counts).ravel())


_etags = itertools.count(1 + (int.from_bytes(os.urandom(ETAG_BYTES)) >> 1))


def next_etag() -> int:
    """An etag that nobody else gives out: this process counts from a random place in 63 bits."""
    return next(_etags)
