"""Items at hand: their records as this worker last saw them in Redis, and what is beside them.

Whoever writes an item's record gives it a new etag (RFC 9110, 8.8.3), and a write names the etag
of what it was made from: one made from a record that has changed meanwhile is refused, and made
again from a fresh one. So the table need not be right, only recent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.state.known import BESIDE, NOTHING, Entry, Known, beside
from streamer.state.layout import ITEM
from streamer.state.members import WIDTH
from streamer.state.records import ABSENT, Etags, Records
from streamer.state.store import Store
from streamer.state.touched import Touched

Ints = NDArray[np.int64]

ITEM_BYTES = 8 * len(ITEM.fields) + 4 * WIDTH + 1400
"""About what an item takes: its record, its facts and the vector of its description."""
MAX_BESIDE_BYTES = 8192
"""What is beside an item's record is not kept when it is longer than this: it is read again."""
_NOTHING_BESIDE = beside([NOTHING])
_EVICTED_SHARE = 4
"""When the table is full, one in so many items goes, those not touched for longest."""


class ItemTable:
    """A bounded table of items, a row each."""

    def __init__(self, max_bytes: int) -> None:
        self._most = max(1, max_bytes // ITEM_BYTES)
        self._row: dict[str, int] = {}
        self._ids: list[str] = []
        self._free: list[int] = []
        self._known: list[Known] = []
        self._tick = 0
        self._beside = np.zeros(0, BESIDE)
        self._records = Records.empty(0)
        self._etag = np.zeros(0, np.uint64)
        self._read = np.zeros(0, bool)
        self._long = np.zeros(0, bool)
        self._touched = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._row)

    def known(self, item_id: str) -> Known:
        """What is at hand of what is beside an item's record."""
        row = self._row.get(item_id)
        return NOTHING if row is None else self._known[row]

    def rows(self, ids: Sequence[str]) -> Ints:
        """The row of each item. Holds until the next call."""
        self._tick += 1
        found = [self._row.get(item_id, -1) for item_id in ids]
        rows = np.array(found, np.int64)
        if -1 not in found:
            self._touched[rows] = self._tick
            return rows
        strangers = np.flatnonzero(rows < 0)
        self._touched[rows[rows >= 0]] = self._tick
        self._make_room(len(strangers))
        rows[strangers] = [self._settle(ids[place]) for place in strangers.tolist()]
        return rows

    def _settle(self, item_id: str) -> int:
        row = self._row[item_id] = self._free.pop()
        self._ids[row], self._known[row] = item_id, NOTHING
        self._read[row], self._touched[row] = False, self._tick
        return row

    def _make_room(self, count: int) -> None:
        if len(self._row) + count > self._most:
            self._evict(max(count, self._most // _EVICTED_SHARE))
        if len(self._free) < count:
            self._grow(max(count, min(len(self._ids), self._most - len(self._ids))))

    def _evict(self, count: int) -> None:
        old = np.flatnonzero((self._touched > 0) & (self._touched < self._tick))
        if len(old) > count:
            old = old[np.argpartition(self._touched[old], count - 1)[:count]]
        for row in old.tolist():
            del self._row[self._ids[row]]
            self._known[row] = NOTHING
        self._beside[old] = _NOTHING_BESIDE
        self._touched[old] = 0
        self._free += old.tolist()

    def _grow(self, count: int) -> None:
        first = len(self._ids)
        self._free += range(first + count - 1, first - 1, -1)
        self._ids += [""] * count
        self._known += [NOTHING] * count
        more = Records.empty(count)
        mine = self._records
        self._records = Records(
            np.concatenate([mine.x, more.x]),
            np.concatenate([mine.counts, more.counts]),
            np.concatenate([mine.slots, more.slots]),
        )
        self._beside = np.concatenate([self._beside, np.repeat(_NOTHING_BESIDE, count)])
        self._etag = np.concatenate([self._etag, np.zeros(count, np.uint64)])
        self._read = np.concatenate([self._read, np.zeros(count, bool)])
        self._long = np.concatenate([self._long, np.zeros(count, bool)])
        self._touched = np.concatenate([self._touched, np.zeros(count, np.int64)])

    async def read(self, store: Store, rows: Ints) -> bool:
        """Reads those of the items that were never read, or are to be read again; whether there
        were any."""
        if self.is_read(rows):
            return False
        stale = rows[~self._read[rows]]
        entries = await store.read_items([self._ids[row] for row in stale.tolist()])
        self._take_in(stale, entries)
        return True

    def _take_in(self, rows: Ints, entries: Sequence[Entry | None]) -> None:
        found = [entry for entry in entries if entry]
        present = rows[[entry is not None for entry in entries]]
        if len(found) < len(rows):
            self._etag[rows] = ABSENT
            self._records.put(rows, Records.empty(len(rows)))
        if found:
            self._etag[present] = [entry.etag for entry in found]
            self._records.put(present, Records.unpacked([entry.record for entry in found]))
        known = [entry.known if entry else NOTHING for entry in entries]
        self._beside[rows] = beside(known)
        for row, each, entry in zip(rows.tolist(), known, entries, strict=True):
            self._known[row] = each
            self._long[row] = entry is not None and entry.beside_bytes > MAX_BESIDE_BYTES
        self._read[rows] = True

    def is_read(self, rows: Ints) -> bool:
        """Whether nothing of these items has to be read."""
        return bool(self._read[rows].all())

    def doubt(self, rows: Ints) -> None:
        """These items are to be read again before they are used."""
        self._read[rows] = False

    def doubt_everything(self) -> None:
        """The same of all items; rows stay where they are."""
        self._read[:] = False
        self._known = [NOTHING] * len(self._known)
        self._beside[:] = _NOTHING_BESIDE

    def _let_go(self, rows: Ints) -> None:
        self.doubt(rows)
        self._beside[rows] = _NOTHING_BESIDE
        for row in rows.tolist():
            self._known[row] = NOTHING

    def records(self, rows: Ints) -> Records:
        return self._records.take(rows)

    def etags(self, rows: Ints) -> Etags:
        """What Redis holds, ABSENT where it holds nothing."""
        found: Etags = self._etag[rows]
        return found

    def put(self, rows: Ints, records: Records, etag: int) -> None:
        """Takes in what has been written. What was doubted meanwhile stays so."""
        self._records.put(rows, records)
        self._etag[rows] = etag

    def touched(self, ids: Sequence[str], rows: Ints, records: Records | None = None) -> Touched:
        """Those of the items that have a record; ``records`` are these, where the caller has just
        written all of them."""
        if records is None:
            present = np.flatnonzero(self._etag[rows] != ABSENT)
            ids, rows = [ids[place] for place in present.tolist()], rows[present]
            records = self._records.take(rows)
        known, columns = [self._known[row] for row in rows.tolist()], self._beside[rows]
        long = self._long[rows]
        if long.any():
            self._let_go(rows[long])
        return Touched(list(ids), self._etag[rows], records, known, columns)
