"""The lists of many records at once: distinct members of each, cut to the smallest.

A list is a row of slots, EMPTY where there is nothing; what is in it stands in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """Members to be added: of which record, to which list and what, in that order, each once."""

    record: Ints
    list: Ints
    value: NDArray[np.uint32]

    @classmethod
    def none(cls) -> Additions:
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint32))

    @classmethod
    def distinct(cls, record: Ints, number: Ints, value: Ints) -> Additions:
        """Those that differ from one another. ``value`` is from 0 to 2**32 - 1."""
        packed = (record * len(LISTS) + number << 32) | np.minimum(value, EMPTY - 1)
        packed.sort()
        if len(packed):
            packed = packed[np.concatenate([[True], packed[1:] != packed[:-1]])]
        group = packed >> 32
        return cls(group // len(LISTS), group % len(LISTS), (packed & 0xFFFFFFFF).astype(np.uint32))

    def where(self, mask: NDArray[np.bool_]) -> Additions:
        return Additions(self.record[mask], self.list[mask], self.value[mask])


def add(counts: Counts, slots: Slots, added: Additions) -> None:
    """Adds members to the lists of records, in place."""
    for place in range(len(LISTS)):
        mine = added.list == place
        if mine.any():
            segment = slots[:, _STARTS[place] : _STARTS[place + 1]]
            _add(counts[:, place], segment, added.record[mine], added.value[mine])


def _add(counts: Counts, slots: Slots, record: Ints, value: NDArray[np.uint32]) -> None:
    """The same for one list; ``counts`` (records,) and ``slots`` (records, keep) are views."""
    fresh = ~(slots[record] == value[:, None]).any(axis=1)
    record, value = record[fresh], value[fresh]
    grown = np.bincount(record, minlength=len(counts))
    rank = np.arange(len(record)) - (np.cumsum(grown) - grown)[record]
    keep = slots.shape[1]
    fits = counts + grown <= keep
    roomy = fits[record]
    slots[record[roomy], counts[record[roomy]] + rank[roomy]] = value[roomy]
    _keep_smallest(slots, np.flatnonzero(~fits), record[~roomy], value[~roomy], rank[~roomy])
    counts[:] = np.minimum(counts + grown, keep)


def _keep_smallest(
    slots: Slots, full: Ints, record: Ints, value: NDArray[np.uint32], rank: Ints
) -> None:
    if not len(full):
        return
    keep = slots.shape[1]
    wide = np.full((len(full), keep + int(rank.max()) + 1), EMPTY, np.uint32)
    wide[:, :keep] = slots[full]
    wide[np.searchsorted(full, record), keep + rank] = value
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
