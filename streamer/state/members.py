"""The lists of many records at once: distinct members of each, cut to the smallest.

A list is a row of slots, EMPTY where there is nothing; what is in it stands in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streamer.state.layout import ITEM

Ints = NDArray[np.int64]
Counts = NDArray[np.uint16]
Slots = NDArray[np.uint32]

EMPTY = 2**32 - 1
"""Marks a slot that holds nothing; no member has this value."""

LISTS = tuple(name for name, _ in ITEM.lists)
KEEP = np.array([keep for _, keep in ITEM.lists])
_STARTS = np.concatenate([[0], np.cumsum(KEEP)])
WIDTH = int(_STARTS[-1])
"""Slots of all lists of a record."""
_LIST_OF_SLOT = np.repeat(np.arange(len(LISTS)), KEEP)
_PLACE_OF_SLOT = (np.arange(WIDTH) - _STARTS[_LIST_OF_SLOT]).astype(np.uint16)


def slots_of(name: str) -> slice:
    """Where in a record's slots a list is."""
    place = LISTS.index(name)
    return slice(int(_STARTS[place]), int(_STARTS[place + 1]))


def filled(counts: Counts) -> NDArray[np.bool_]:
    """Which slots hold a member, shape (records, WIDTH); ``counts`` is (records, lists)."""
    mask: NDArray[np.bool_] = counts[:, _LIST_OF_SLOT] > _PLACE_OF_SLOT
    return mask


@dataclass(slots=True)
class Additions:
    """Members to be added: to which list, of which record and what, in that order, each once."""

    list: Ints
    record: Ints
    value: NDArray[np.uint32]

    @classmethod
    def distinct(cls, record: Ints, number: Ints, value: Ints) -> Additions:
        """Those that differ from one another. ``value`` is from 0 to 2**32 - 1."""
        records = int(record.max(initial=0)) + 1
        packed = (number * records + record << 32) | np.minimum(value, EMPTY - 1)
        packed.sort()
        if len(packed):
            packed = packed[np.concatenate([[True], packed[1:] != packed[:-1]])]
        group = packed >> 32
        return cls(group // records, group % records, (packed & 0xFFFFFFFF).astype(np.uint32))


def add(counts: Counts, slots: Slots, added: Additions) -> None:
    """Adds members to the lists of records, in place."""
    bounds = np.searchsorted(added.list, np.arange(len(LISTS) + 1)).tolist()
    for place, (first, last) in enumerate(pairwise(bounds)):
        if first < last:
            segment = slots[:, _STARTS[place] : _STARTS[place + 1]]
            _add(counts[:, place], segment, added.record[first:last], added.value[first:last])


def _add(counts: Counts, slots: Slots, record: Ints, value: NDArray[np.uint32]) -> None:
    """The same for one list; ``counts`` (records,) and ``slots`` (records, keep) are views."""
    fresh = ~(slots[record] == value[:, None]).any(axis=1)
    record, value, keep = record[fresh], value[fresh], slots.shape[1]
    grown = np.bincount(record, minlength=len(counts))
    place = np.arange(len(record)) + (counts + grown - np.cumsum(grown))[record]
    fits = place < keep
    if fits.all():
        slots[record, place] = value
        counts[:] = counts + grown
        return
    slots[record[fits], place[fits]] = value[fits]
    _keep_smallest(slots, record[~fits], value[~fits], place[~fits] - keep)
    counts[:] = np.minimum(counts + grown, keep)


def _keep_smallest(slots: Slots, record: Ints, value: NDArray[np.uint32], beyond: Ints) -> None:
    """Keeps of full lists and more members, ``beyond`` counting those of a record, the smallest."""
    full, row = np.unique(record, return_inverse=True)
    keep = slots.shape[1]
    wide = np.full((len(full), keep + int(beyond.max()) + 1), EMPTY, np.uint32)
    wide[:, :keep] = slots[full]
    wide[row, keep + beyond] = value
    wide.sort(axis=1)
    slots[full] = wide[:, :keep]


def distinct(counts: Counts, slots: Slots, name: str) -> NDArray[np.float64]:
    """How many distinct members a list stands for; beyond its length the bottom-k estimate
    (k - 1) / (largest kept hash as a share of all)."""
    place = LISTS.index(name)
    keep = int(KEEP[place])
    found = counts[:, place].astype(np.float64)
    full = np.flatnonzero(found >= keep)
    if len(full):
        largest = slots[full, slots_of(name)].max(axis=1)
        found[full] = (keep - 1) * 2.0**32 / largest
    return found
