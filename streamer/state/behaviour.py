"""A chunk of `user-behaviour` into the state: items and users first, then the items' kin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.chunk import Chunk
from streamer.state.aggregate import Deltas, aggregate, without_lists
from streamer.state.columns import NOBODY, TYPE_CODES, Columns
from streamer.state.keys import channel_kin, watermark
from streamer.state.kin import KinTable
from streamer.state.known import NOTHING, Known, KnownItems, grouped
from streamer.state.layout import ITEM
from streamer.state.merge import merge_rows
from streamer.state.phases import run_phase
from streamer.state.store import REMEMBERED_ITEMS, ShardCall, Store, known_counts
from streamer.state.touched import Touched, touched

Ints = NDArray[np.int64]

_TASTE = np.array([TYPE_CODES[n] for n in ("click", "favourite", "cart", "purchase", "share")])
_NEVER = np.iinfo(np.int64).max


@dataclass(eq=False)
class BehaviourBatch:
    """A chunk ready to be applied: its usable events as rows, and the offsets of what is not."""

    chunk: Chunk
    rows: Columns
    duplicates: Ints
    dead: Ints

    @cached_property
    def clock(self) -> float | None:
        return float(self.rows.time.max()) if len(self.rows) else None

    def dropped_from(self, offset: int) -> tuple[int, int]:
        """How many duplicates and dead letters there are from an offset on."""
        return int((self.duplicates >= offset).sum()), int((self.dead >= offset).sum())


async def apply_items(store: Store, batch: BehaviourBatch, cache_: KnownItems) -> Touched:
    """The first phase. Returns the touched items, also when the chunk was applied before.

    Raises LostWrites, StoreEmpty, and redis errors, after which it may be called again.
    """
    chunk, rows = batch.chunk, batch.rows
    field = watermark("i", chunk.log, chunk.partition)
    asked = {item_id: cache_.get(item_id) for item_id in rows.items}

    @cache
    def part(first: int) -> tuple[Deltas, dict[int, list[Any]]]:
        some = rows if first <= chunk.start else rows.where(rows.offset >= first)
        users = _users(some, store) if store.remembers_users else {}
        return aggregate(some, rows.items, some.item, store.keys), users

    def call_for(shard: int, first: int) -> ShardCall:
        deltas, users = part(first)
        ids = deltas.ids_of(shard)
        heads, tails = deltas.packed(shard)
        dropped = batch.dropped_from(first) if shard == 0 else (0, 0)
        return ShardCall(
            shard=shard,
            watermark=field,
            first=first,
            last=chunk.end,
            kind="i",
            clock=batch.clock,
            counts=(int(deltas.events[shard]), *dropped),
            ids=ids,
            heads=heads,
            tails=tails,
            known=known_counts([asked[item_id].aux for item_id in ids]),
            users=users.get(shard, []),
        )

    replies = await run_phase(store, chunk.start, call_for)
    ids = part(chunk.start)[0].ids
    entries = [entry for reply in replies for entry in reply.entries]
    return touched(ids, entries, [asked[item_id] for item_id in ids], cache_)


def _users(rows: Columns, store: Store) -> dict[int, list[Any]]:
    """By shard: each user with the items of the latest taste-bearing events and their times."""
    mask = np.isin(rows.type, _TASTE) & (rows.user != NOBODY)
    recent: defaultdict[int, dict[int, float]] = defaultdict(dict)
    times, items = rows.time[mask].tolist(), rows.item[mask].tolist()
    for user, time, item in zip(rows.user[mask].tolist(), times, items, strict=True):
        mine = recent[user]
        mine[item] = max(time, mine.get(item, time))
    by_shard: defaultdict[int, list[Any]] = defaultdict(list)
    for user, mine in recent.items():
        name = f"{user:016x}"
        by_shard[store.keys.shard[name]].append([name, _latest(mine, rows.items)])
    return by_shard


def _latest(times: dict[int, float], items: list[str]) -> list[float | str]:
    """The pairs of time and item of which any can be remembered: the script keeps as many of all,
    and breaks ties alike."""
    pairs = [(time, items[item]) for item, time in times.items()]
    if len(pairs) > REMEMBERED_ITEMS:
        pairs = sorted(pairs, key=lambda pair: (pair[0], pair[1].encode()))[-REMEMBERED_ITEMS:]
    return [value for pair in pairs for value in pair]


async def apply_kin(store: Store, batch: BehaviourBatch, items: Touched, table: KinTable) -> None:
    """The second phase: the relatives of what the first one touched, and the channels.

    Raises LostWrites, StoreEmpty, and redis errors, after which it may be called again.
    """
    chunk = batch.chunk
    field = watermark("k", chunk.log, chunk.partition)
    known = dict(zip(items.ids, items.known, strict=True))

    @cache
    def part(first: int) -> Deltas:
        rows = batch.rows
        return _kin_deltas(
            rows if first <= chunk.start else rows.where(rows.offset >= first), chunk, known, store
        )

    await run_kin_phase(store, chunk, field, part, table)


async def run_kin_phase(
    store: Store, chunk: Chunk, field: str, part: Callable[[int], Deltas], table: KinTable
) -> None:
    """Runs a second phase with the deltas that ``part(first)`` gives, and takes in the answers."""

    def call_for(shard: int, first: int) -> ShardCall:
        deltas = part(first)
        heads, tails = deltas.packed(shard)
        return ShardCall(
            shard, field, first, chunk.end, "k", ids=deltas.ids_of(shard), heads=heads, tails=tails
        )

    replies = await run_phase(store, chunk.start, call_for)
    table.put(part(chunk.start).ids, [entry for reply in replies for entry in reply.entries])


def _kin_deltas(rows: Columns, chunk: Chunk, known: dict[str, Known], store: Store) -> Deltas:
    field = watermark("i", chunk.log, chunk.partition)
    beside = [known.get(item_id, NOTHING) for item_id in rows.items]
    direct_from = np.array([_direct_from(k, field) for k in beside], np.int64)
    direct = rows.where(rows.offset >= direct_from[rows.item]) if len(rows) else rows
    present, entity = np.unique(direct.item, return_inverse=True)
    names = [rows.items[item] for item in present.tolist()]
    of_items = aggregate(direct, names, entity, store.keys, lists=False)
    families, family = grouped([known.get(item_id, NOTHING).family for item_id in of_items.ids])
    of_families = merge_rows(ITEM, of_items.heads["x"], family, len(families))
    relatives: dict[str, int] = {}
    member, group = [], []
    for place, each in enumerate(families):
        for kin in each.kin:
            member.append(place)
            group.append(relatives.setdefault(kin, len(relatives)))
    x = merge_rows(
        ITEM, of_families[np.array(member, np.int64)], np.array(group, np.int64), len(relatives)
    )
    channels, channel_x = _channel_rows(rows, store)
    return without_lists([*relatives, *channels], np.concatenate([x, channel_x]), store.keys)


def _direct_from(known: Known, field: str) -> int:
    """The offset from which on an item's events count for its relatives directly."""
    if known.facts is None:
        return _NEVER
    return known.early.watermarks.get(field, 0) if known.early else 0


def _channel_rows(rows: Columns, store: Store) -> tuple[list[str], NDArray[np.float64]]:
    named = rows.where(rows.channel != NOBODY)
    hashes, entity = np.unique(named.channel, return_inverse=True)
    ids = [channel_kin(hashed) for hashed in hashes.tolist()]
    deltas = aggregate(named, ids, entity, store.keys, lists=False)
    return deltas.ids, deltas.heads["x"]
