"""The relatives at hand: brands, types, categories and channels with their records' fields."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.state.layout import ITEM
from streamer.state.store import Entry, Store

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_AGE_SECONDS = 5.0
"""Relatives that other workers move are read again after this long."""
_SIZE = 50_000
_UNKNOWN = 0


class KinTable:
    """A bounded table of relatives, one row each; row 0 is a relative nothing is known of.

    It is told the new state of whatever this worker applies, and reads what it lacks.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._row: dict[str, int] = {}
        self._x = np.tile(ITEM.identity, (1024, 1))
        self._read_at = np.zeros(1024)
        self._channels = np.empty(0, np.int64)
        self._channel_rows = np.empty(0, np.int64)

    @property
    def x(self) -> Floats:
        """The fields, shape (rows, fields)."""
        return self._x

    def row(self, kin: str) -> int:
        return self._row.get(kin, _UNKNOWN)

    def rows(self, kin: Sequence[str]) -> Ints:
        """The row of each relative; 0 for one that is not known, or ''."""
        known = self._row
        return np.array([known.get(name, _UNKNOWN) for name in kin], np.int64)

    def channel_rows(self, hashed: Ints) -> Ints:
        """The rows of channels as records list them."""
        if not len(self._channels):
            return np.zeros(len(hashed), np.int64)
        place = np.searchsorted(self._channels, hashed).clip(max=len(self._channels) - 1)
        return np.where(self._channels[place] == hashed, self._channel_rows[place], _UNKNOWN)

    def put(self, ids: Sequence[str], entries: Sequence[Entry]) -> None:
        """Takes in records just read or written; None stands for a relative without a record."""
        if len(self._row) + len(ids) > _SIZE:
            self.clear()
        new = [kin for kin in ids if kin not in self._row]
        for kin in new:
            self._row[kin] = len(self._row) + 1
        self._grow(len(self._row) + 1)
        if any(kin.startswith("channel:") for kin in new):
            self._index_channels()
        rows = np.fromiter(map(self._row.__getitem__, ids), np.int64, len(ids))
        present = [i for i, entry in enumerate(entries) if entry is not None]
        records = ITEM.current(entries[i] for i in present)  # type: ignore[misc]
        heads = b"".join([record[: ITEM.head.itemsize] for record in records])
        self._x[rows[present]] = np.frombuffer(heads, ITEM.head)["x"]
        self._read_at[rows] = time.monotonic()

    async def ensure(self, store: Store, ids: Iterable[str]) -> None:
        """Reads the relatives that are not at hand or were read too long ago."""
        wanted = set(ids)
        while stale := self._stale(wanted):
            self.put(stale, await store.read("k", stale))

    def _stale(self, ids: Iterable[str]) -> list[str]:
        oldest = time.monotonic() - MAX_AGE_SECONDS
        return [
            kin for kin in ids if (row := self.row(kin)) == _UNKNOWN or self._read_at[row] < oldest
        ]

    def _grow(self, rows: int) -> None:
        if rows > len(self._x):
            more = max(rows, 2 * len(self._x)) - len(self._x)
            self._x = np.concatenate([self._x, np.tile(ITEM.identity, (more, 1))])
            self._read_at = np.concatenate([self._read_at, np.zeros(more)])

    def _index_channels(self) -> None:
        pairs = sorted(
            (int(kin[8:], 16), row) for kin, row in self._row.items() if kin.startswith("channel:")
        )
        self._channels = np.array([hashed for hashed, _ in pairs], np.int64)
        self._channel_rows = np.array([row for _, row in pairs], np.int64)
