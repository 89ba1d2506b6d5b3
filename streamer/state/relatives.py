"""The second phase: what a batch adds to the relatives of its items, and to the channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer import failpoint
from streamer.state.aggregate import folded
from streamer.state.batch import Batch, by_shard
from streamer.state.columns import NOBODY
from streamer.state.items import Applied, apply_items
from streamer.state.keys import Keys, channel_kin
from streamer.state.kin import KinTable
from streamer.state.known import NOTHING, Facts, Families, beside
from streamer.state.layout import ITEM, KIN, MONTH, decayed_name
from streamer.state.merge import merge_groups
from streamer.state.phases import Offsets, open_ranges, run_phase
from streamer.state.records import Records
from streamer.state.store import KinCall, RangeCall, Reply, Store
from streamer.state.table import ItemTable
from streamer.state.touched import Touched

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_COLUMNS = [ITEM.index[name] for name in KIN.fields]
"""Where in an item's fields those of a relative are."""


@dataclass(slots=True)
class KinDeltas:
    """Relatives sorted by shard, where each shard begins among them, and what each is given."""

    ids: list[str]
    bounds: Ints
    heads: np.ndarray

    def part(self, shard: int) -> tuple[list[str], bytes]:
        """The relatives of one shard and their packed deltas."""
        places = slice(int(self.bounds[shard]), int(self.bounds[shard + 1]))
        return self.ids[places], self.heads[places].tobytes()


async def apply_kin(store: Store, batch: Batch, applied: Applied, table: KinTable) -> None:
    """Counts the batch for the relatives of what the first phase touched, and for the channels.

    Raises LostWrites, StoreEmpty, and redis errors, after which it may be called again.
    """
    counting = _Counting(batch, applied, store.keys, table)

    async def attempt(waiting: Mapping[int, Offsets]) -> Sequence[Reply]:
        await table.meet(store, counting.families)
        calls = [counting.call(shard, first) for shard, first in waiting.items()]
        failpoint.passing("aggregated")
        replies = await store.apply_kin(calls)
        done = [
            (c, r.applied) for c, r in zip(calls, replies, strict=True) if r.applied is not None
        ]
        table.put([i for c, _ in done for i in c.ids], [r for _, some in done for r in some])
        return replies

    await run_phase("k", batch.ranges, store.keys.shards, attempt)


async def apply_both(store: Store, batch: Batch, items: ItemTable, kin: KinTable) -> Touched:
    """Both phases one after the other, where no other batch is under way. Raises as they do."""
    applied = await apply_items(store, batch, items)
    await apply_kin(store, batch, applied, kin)
    return applied.items


class _Counting:
    """Works out which of a batch's events count for which relatives."""

    def __init__(self, batch: Batch, applied: Applied, keys: Keys, table: KinTable) -> None:
        self._batch, self._keys, self._x, self._table = batch, keys, applied.x, table
        self._known, self._beside = applied.items.known, applied.items.beside
        if applied.items.ids != batch.items:
            known = dict(zip(applied.items.ids, applied.items.known, strict=True))
            self._known = [known.get(item_id, NOTHING) for item_id in batch.items]
            self._beside = beside(self._known)
        self.families = Families(self._beside["family"], self._known)
        self._deltas: dict[Offsets, KinDeltas] = {}

    def call(self, shard: int, first: Offsets) -> KinCall:
        if first not in self._deltas:
            self._deltas[first] = self._counted(first)
        ids, heads = self._deltas[first].part(shard)
        ranges = self._batch.ranges
        calls: list[RangeCall] = [
            (ranges[n].watermark("k"), first[n], ranges[n].end) for n in open_ranges(ranges, first)
        ]
        return KinCall(shard, calls, ids, heads)

    def _counted(self, first: Offsets) -> KinDeltas:
        """What the batch adds from these offsets on."""
        x, member = self._direct(first), self._table.relatives(self.families)
        owner, kind = np.nonzero(member)
        launches, launched = self._debuts(first)
        rows, of_relatives = merge_groups(
            KIN,
            np.concatenate([x[owner], launches]),
            np.concatenate([member[owner, kind], launched]),
        )
        channels, of_channels = self._channels(first)
        ids = self._table.names(rows) + channels
        order, bounds = by_shard(ids, self._keys)
        heads = KIN.heads(len(ids))
        heads["x"] = np.concatenate([of_relatives, of_channels])[order]
        return KinDeltas([ids[place] for place in order.tolist()], bounds, heads)

    def _direct(self, first: Offsets) -> Floats:
        """What each item adds by events that count directly: all of an item's with facts, but
        those that its early behaviour holds, which came with its debut."""
        rows = self._batch.rows
        counts = rows.offset >= self._direct_from(first)[rows.item, rows.range]
        if counts.all():
            return self._x[:, _COLUMNS]
        some = rows.where(counts)
        return folded(KIN, some, some.item, len(self._known))

    def _direct_from(self, first: Offsets) -> Ints:
        """The offset from which on an item's events count, shape (items, ranges)."""
        found = np.empty((len(self._known), len(first)), np.int64)
        found[:] = first
        for place in self._beside["early"].nonzero()[0].tolist():
            early = self._known[place].early
            for number, each in enumerate(self._batch.ranges):
                until = early.watermarks.get(each.watermark("i"), 0) if early else 0
                found[place, number] = max(found[place, number], until)
        return found

    def _debuts(self, first: Offsets) -> tuple[Floats, Ints]:
        """What items that came up in this batch bring to their relatives, and whose each row is."""
        origins = {each.watermark("i"): n for n, each in enumerate(self._batch.ranges)}
        rows: list[Floats] = []
        group: list[int] = []
        for item_id in dict.fromkeys(news.event.item_id for news in self._batch.news):
            known = self._known[self._batch.places[item_id]]
            if not known.facts or not self._came_up(known.facts, origins, first):
                continue
            debut = _debut(known.facts, known.early.record if known.early else None)
            for kin in known.family.kin:
                rows += debut
                group += [self._table.row(kin)] * len(debut)
        return np.array(rows).reshape(-1, len(KIN.fields)), np.array(group, np.int64)

    def _came_up(self, facts: Facts, origins: Mapping[str, int], first: Offsets) -> bool:
        number = origins.get(facts.origin)
        if number is None:
            return False
        return first[number] <= facts.offset < self._batch.ranges[number].end

    def _channels(self, first: Offsets) -> tuple[list[str], Floats]:
        rows = self._batch.rows
        named = rows.where((rows.channel != NOBODY) & (rows.offset >= np.array(first)[rows.range]))
        hashes, entity = np.unique(named.channel, return_inverse=True)
        ids = [channel_kin(hashed) for hashed in hashes.tolist()]
        return ids, folded(KIN, named, entity, len(ids))


def _debut(facts: Facts, early: bytes | None) -> list[Floats]:
    """What an item brings to its kin: its launch, and its behaviour so far."""
    launch = KIN.identity.copy()
    launch[KIN.index["last_time"]] = facts.launch_time
    launch[KIN.index["launches"]] = 1
    launch[KIN.index[decayed_name("launches", MONTH)]] = 1
    if early is None:
        return [launch]
    return [launch, Records.unpacked([early]).x[0, _COLUMNS]]
