"""The relatives at hand: sellers, brands, classes of the catalogue and channels with their records' fields."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streamer.state.keys import KIN_KINDS, channel_kin
from streamer.state.known import Families, Family
from streamer.state.layout import KIN
from streamer.state.store import Store

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N = TypeVar("N", bound=np.generic)

MAX_AGE_SECONDS = 5.0
"""Relatives that other workers move are read again after this long."""
_SIZE = 50_000
_UNKNOWN = 0
_CHANNEL = "channel:"
_CHANNEL_SLOT = 0xFFFF


class KinTable:
    """A bounded table of relatives, one row each; row 0 is a relative nothing is known of.

    It is told the new state of whatever this worker applies, and reads what it lacks.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._row: dict[str, int] = {}
        self._names = [""]
        self._x = KIN.identity[None].copy()
        self._read_at = np.full(1, np.inf)
        self._family: dict[int, int] = {}
        self._families: list[Family] = []
        self._family_rows = np.zeros((0, len(KIN_KINDS)), np.int64)
        self._incomplete: set[int] = set()
        self._slot_channel = np.zeros(_CHANNEL_SLOT + 1, np.int64)
        self._slot_row = np.zeros(_CHANNEL_SLOT + 1, np.int64)
        self._crowded: dict[int, int] = {}

    @property
    def x(self) -> Floats:
        """The fields, shape (rows, fields)."""
        return self._x

    def row(self, kin: str) -> int:
        return self._row.get(kin, _UNKNOWN)

    def relatives(self, families: Families) -> Ints:
        """The rows of each item's relatives, shape (items, kinds); 0 where there is none or
        it is not known."""
        places = self._places(families)
        rows: Ints = self._family_rows[places]
        return rows

    def _places(self, families: Families) -> Ints:
        numbers = families.numbers.tolist()
        new = {n: place for place, n in enumerate(numbers) if n not in self._family}
        if new:
            self._register([families.known[place].family for place in new.values()])
        return np.fromiter(map(self._family.__getitem__, numbers), np.int64, len(numbers))

    def _register(self, families: Sequence[Family]) -> None:
        for family in families:
            if family.number not in self._family:
                self._incomplete.add(len(self._families))
                self._family[family.number] = len(self._families)
                self._families.append(family)
        self._family_rows = _grown(self._family_rows, len(self._families), 0)
        self._complete()

    def _complete(self) -> None:
        """Finds the rows of families of which some were not known."""
        for place in list(self._incomplete):
            by_kind = self._families[place].by_kind
            rows = [self.row(kin) for kin in by_kind]
            self._family_rows[place] = rows
            if all(row or not kin for row, kin in zip(rows, by_kind, strict=True)):
                self._incomplete.remove(place)

    def channel_rows(self, hashed: Ints) -> Ints:
        """The rows of channels as records list them."""
        slot = hashed & _CHANNEL_SLOT
        rows = np.where(self._slot_channel[slot] == hashed, self._slot_row[slot], _UNKNOWN)
        if self._crowded:
            for place in np.flatnonzero(rows == _UNKNOWN).tolist():
                rows[place] = self._crowded.get(int(hashed[place]), _UNKNOWN)
        return rows

    def names(self, rows: Ints) -> list[str]:
        """The ids of the relatives in these rows."""
        return [self._names[row] for row in rows.tolist()]

    def put(self, ids: Sequence[str], entries: Sequence[bytes | None]) -> None:
        """Takes in records just read or written; None stands for a relative without a record."""
        new = [kin for kin in ids if kin not in self._row]
        if new:
            self._add(new)
        rows = np.fromiter(map(self._row.__getitem__, ids), np.int64, len(ids))
        self._read_at[rows] = time.monotonic()
        found = [entry for entry in entries if entry is not None]
        if len(found) < len(entries):
            rows = rows[[entry is not None for entry in entries]]
        self._x[rows] = np.frombuffer(b"".join(KIN.current(found)), KIN.head)["x"]

    def _add(self, new: Sequence[str]) -> None:
        for kin in new:
            row = self._row[kin] = len(self._names)
            self._names.append(kin)
            if kin.startswith(_CHANNEL):
                self._index_channel(kin, row)
        self._x = _grown(self._x, len(self._names), KIN.identity)
        self._read_at = _grown(self._read_at, len(self._names), 0.0)
        self._complete()

    def _bound(self) -> None:
        """Only before relatives are asked for: those of one batch may be more than the table is to
        hold, and must be at hand together."""
        if len(self._row) > _SIZE:
            self.clear()

    async def meet(self, store: Store, families: Families) -> None:
        """Reads what of these families is not at hand, however old what is."""
        self._bound()
        while missing := self._missing(self._places(families)):
            self.put(list(missing), await store.read("k", list(missing)))

    async def ensure(self, store: Store, families: Families, channels: Ints) -> None:
        """Reads what of these relatives and channels is not at hand or was read too long ago."""
        self._bound()
        while stale := self._stale(families, channels):
            self.put(stale, await store.read("k", stale))

    def _stale(self, families: Families, channels: Ints) -> list[str]:
        rows, places = self.channel_rows(channels), self._places(families)
        missing = self._missing(places)
        missing.update(channel_kin(hashed) for hashed in channels[rows == _UNKNOWN].tolist())
        asked = np.concatenate([rows, self._family_rows[places].ravel()])
        old = asked[self._read_at[asked] < time.monotonic() - MAX_AGE_SECONDS]
        return [*missing, *(self._names[row] for row in np.unique(old).tolist())]

    def _missing(self, places: Ints) -> set[str]:
        if not self._incomplete:
            return set()
        some = self._incomplete.intersection(places.tolist())
        return {kin for place in some for kin in self._families[place].kin if not self.row(kin)}

    def _index_channel(self, kin: str, row: int) -> None:
        """Most channels have a slot of their own, by the last bits of their hash."""
        hashed = int(kin.removeprefix(_CHANNEL), 16)
        slot = hashed & _CHANNEL_SLOT
        if self._slot_row[slot] == _UNKNOWN:
            self._slot_channel[slot], self._slot_row[slot] = hashed, row
        else:
            self._crowded[hashed] = row


def _grown(array: NDArray[N], rows: int, filling: object) -> NDArray[N]:
    """The array with room for so many rows; where it has not, for twice as many."""
    if rows <= len(array):
        return array
    larger = np.empty((2 * rows, *array.shape[1:]), array.dtype)
    larger[: len(array)], larger[len(array) :] = array, filling
    return larger
