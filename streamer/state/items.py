"""The first phase: what happened to the items of a batch, into their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer import failpoint
from streamer.state.aggregate import folded, members
from streamer.state.batch import Batch
from streamer.state.catalogue import CatalogueEntry, entries
from streamer.state.columns import Columns
from streamer.state.layout import ITEM
from streamer.state.members import Additions, add
from streamer.state.merge import merged
from streamer.state.phases import Offsets, open_ranges, run_phase
from streamer.state.records import Records, next_etag
from streamer.state.store import ItemsCall, RangeCall, Reply, Store
from streamer.state.table import ItemTable
from streamer.state.touched import Touched
from streamer.state.users import Recent, recent

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_VERSION, _AUX = ITEM.index["version"], ITEM.index["aux"]


@dataclass(slots=True)
class ItemDeltas:
    """What a batch, or what is left of it, adds: fields ``x`` (items, fields) and list members of
    each of its items, ``facts`` of those the catalogue speaks of, and how many events each shard
    is given of each range, ``events`` (shards, ranges)."""

    x: Floats
    members: Additions
    facts: dict[str, CatalogueEntry]
    events: Ints


@dataclass(slots=True)
class Applied:
    """The touched items as they are now, and what the whole batch added to all its items."""

    items: Touched
    x: Floats


async def apply_items(store: Store, batch: Batch, table: ItemTable) -> Applied:
    """Brings the items' records to the end of the batch, also where that was done before.

    Raises LostWrites, StoreEmpty, StoreMismatch, and redis errors, after which it may be called
    again. Of one table only one call may be under way.
    """
    work = _Work(store, batch, table)
    await run_phase("i", batch.ranges, store.keys.shards, work.attempt)
    return Applied(await work.outcome(), work.whole.x)


class _Work:
    def __init__(self, store: Store, batch: Batch, table: ItemTable) -> None:
        self._store, self._batch, self._table = store, batch, table
        self._rows = table.rows(batch.items)
        self._written: Records | None = None
        self.whole = _deltas(batch, store, batch.rows, None)
        self._users = _users(batch, store)

    async def attempt(self, waiting: Mapping[int, Offsets]) -> Sequence[Reply]:
        await self._table.read(self._store, self._rows)
        deltas = self._left(waiting)
        records = self._table.records(self._rows)
        records.x = merged(ITEM, records.x, deltas.x)
        add(records.counts, records.slots, deltas.members)
        etag = next_etag()
        packed, expected = records.packed(etag), self._table.etags(self._rows)
        failpoint.passing("aggregated")
        replies = await self._store.apply_items(
            [self._call(shard, first, deltas, packed, expected) for shard, first in waiting.items()]
        )
        if len(waiting) == self._store.keys.shards and not any(r.doubtful for r in replies):
            self._written = records
            self._table.put(self._rows, records, etag)
            return replies
        for shard, reply in zip(waiting, replies, strict=True):
            self._take_in(self._places(shard), reply, records, etag)
        return replies

    def _left(self, waiting: Mapping[int, Offsets]) -> ItemDeltas:
        """What is to be added from where the shards stand."""
        starts = tuple(each.start for each in self._batch.ranges)
        if all(first == starts for first in waiting.values()):
            return self.whole
        first = np.tile(starts, (self._store.keys.shards, 1))
        for shard, offsets in waiting.items():
            first[shard] = offsets
        rows = self._batch.rows
        mask = rows.offset >= first[self._batch.shards_of(rows.item), rows.range]
        return _deltas(self._batch, self._store, rows.where(mask), first)

    def _places(self, shard: int) -> slice:
        bounds = self._batch.bounds
        return slice(int(bounds[shard]), int(bounds[shard + 1]))

    def _call(
        self,
        shard: int,
        first: Offsets,
        deltas: ItemDeltas,
        packed: Sequence[bytes],
        expected: NDArray[np.uint64],
    ) -> ItemsCall:
        places = self._places(shard)
        ids = self._batch.items[places]
        return ItemsCall(
            shard=shard,
            ranges=self._ranges(shard, first, deltas.events[shard].tolist()),
            clock=self._batch.clock,
            ids=ids,
            records=packed[places],
            etags=expected[places].tobytes(),
            facts=[deltas.facts[i].packed() for i in ids if i in deltas.facts],
            users=self._users.get(shard),
        )

    def _ranges(self, shard: int, first: Offsets, events: list[int]) -> list[RangeCall]:
        """Of what is dropped the first shard keeps count."""
        found: list[RangeCall] = []
        for number in open_ranges(self._batch.ranges, first):
            each, at = self._batch.ranges[number], first[number]
            dropped = each.dropped_from(at) if shard == 0 else (0, 0)
            found.append((each.watermark("i"), at, each.end, events[number], *dropped))
        return found

    def _take_in(self, places: slice, reply: Reply, records: Records, etag: int) -> None:
        rows = self._rows[places]
        if reply.applied is not None:
            self._table.put(rows, records.take(places), etag)
        else:
            self._table.doubt(rows if reply.changed is None else rows[reply.changed])

    async def outcome(self) -> Touched:
        """The items as they are now; of what the catalogue spoke of, what it said is read."""
        if self.whole.facts:
            spoken = [self._batch.places[item_id] for item_id in self.whole.facts]
            self._table.doubt(self._rows[spoken])
        written = None if await self._table.read(self._store, self._rows) else self._written
        return self._table.touched(self._batch.items, self._rows, written)


def _deltas(batch: Batch, store: Store, rows: Columns, first: Ints | None) -> ItemDeltas:
    """The deltas of these of the batch's rows, and of its catalogue events from the offsets ``first``
    (shards, ranges) on."""
    count, shards, ranges = len(batch.items), store.keys.shards, len(batch.ranges)
    facts = entries(batch.news, batch.ranges, store.keys, first)
    x = folded(ITEM, rows, rows.item, count)
    events = np.bincount(
        batch.shards_of(rows.item) * ranges + rows.range, minlength=shards * ranges
    ).reshape(shards, ranges)
    for item_id, entry in facts.items():
        x[batch.places[item_id], [_VERSION, _AUX]] += entry.events
        events[store.keys.shard[item_id]] += entry.by_range(ranges)
    return ItemDeltas(x, members(rows), facts, events)


def _users(batch: Batch, store: Store) -> dict[int, Recent]:
    """By shard, the recent items of users, always of the whole batch: a user's shard may be behind
    those of the items, and what is remembered twice does no harm."""
    return recent(batch.rows, batch.items, store.keys) if store.remembers_users else {}
