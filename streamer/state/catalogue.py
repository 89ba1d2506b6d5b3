"""A chunk of `new-items` into the state: facts of the items first, then their kin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from streamer.chunk import Chunk
from streamer.events import NewItem
from streamer.state.aggregate import Deltas, by_shard, without_lists
from streamer.state.behaviour import run_kin_phase
from streamer.state.keys import watermark
from streamer.state.kin import KinTable
from streamer.state.known import Facts, KnownItems, kin_of
from streamer.state.layout import ITEM, MONTH, decayed_name
from streamer.state.merge import merge_rows
from streamer.state.phases import run_phase
from streamer.state.store import ShardCall, Store, known_counts
from streamer.state.touched import Touched, touched

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

STORED_DESCRIPTION_CHARS = 2000
"""What of a description is kept with the facts; its meaning is in the embedding."""

_pack = msgspec.msgpack.Encoder().encode


@dataclass(eq=False)
class CatalogueBatch:
    """A chunk ready to be applied: its usable events with their offsets, and what is not."""

    chunk: Chunk
    events: list[NewItem]
    offsets: Ints
    duplicates: Ints
    dead: Ints

    @cached_property
    def clock(self) -> float | None:
        return max((event.time for event in self.events), default=None)

    @cached_property
    def items(self) -> list[str]:
        return list(dict.fromkeys(event.item_id for event in self.events))

    def dropped_from(self, offset: int) -> tuple[int, int]:
        """How many duplicates and dead letters there are from an offset on."""
        return int((self.duplicates >= offset).sum()), int((self.dead >= offset).sum())


def tie_order(event_id: str) -> float:
    """Between events of equal time the one with the larger hash of its id stands: 53 bits, so
    that Lua compares them exactly."""
    return float(xxh3_64_intdigest(event_id.encode()) >> 11)


async def apply_items(store: Store, batch: CatalogueBatch, cache_: KnownItems) -> Touched:
    """The first phase. Returns the touched items, also when the chunk was applied before.

    Raises LostWrites, StoreEmpty, StoreMismatch, and redis errors, after which it may be called
    again.
    """
    chunk = batch.chunk
    field = watermark("i", chunk.log, chunk.partition)
    asked = {item_id: cache_.get(item_id) for item_id in batch.items}
    order, bounds = by_shard(batch.items, store.keys)
    ids = [batch.items[i] for i in order]

    @cache
    def part(first: int) -> dict[str, _Entry]:
        return _entries(batch, first)

    def call_for(shard: int, first: int) -> ShardCall:
        mine = ids[bounds[shard] : bounds[shard + 1]]
        entries = [part(first).get(item_id, _Entry(item_id)) for item_id in mine]
        dropped = batch.dropped_from(first) if shard == 0 else (0, 0)
        return ShardCall(
            shard=shard,
            watermark=field,
            first=first,
            last=chunk.end,
            kind="i",
            clock=batch.clock,
            counts=(sum(entry.events for entry in entries), *dropped),
            ids=mine,
            heads=_heads(entries).tobytes(),
            known=known_counts([asked[item_id].aux for item_id in mine]),
            facts=[entry.packed() for entry in entries if entry.events],
        )

    replies = await run_phase(store, chunk.start, call_for)
    found = [entry for reply in replies for entry in reply.entries]
    return touched(ids, found, [asked[item_id] for item_id in ids], cache_)


@dataclass(slots=True)
class _Entry:
    """What a chunk says of one item; apply.lua's entry of the same order."""

    item_id: str
    events: int = 0
    time: float = 0.0
    order: float = 0.0
    offset: int = 0
    launch_time: float = 0.0
    kin: str = ""
    facts: bytes = b""
    withdrawn: float = 0.0
    withdrawal: float = 0.0

    def add(self, event: NewItem, offset: int, order: float) -> None:
        self.events += 1
        if event.type == "withdrawal":
            self.withdrawn, self.withdrawal = max(
                (self.withdrawn, self.withdrawal), (event.time, order)
            )
            return
        if not self.facts:
            self.offset = offset
            self.launch_time = event.time if event.launch_time is None else event.launch_time
            self.kin = " ".join(kin_of(event))
        if not self.facts or (event.time, order) > (self.time, self.order):
            self.time, self.order, self.facts = event.time, order, _pack(_kept(event))

    def packed(self) -> list[Any]:
        return [
            self.item_id,
            self.time,
            self.order,
            self.offset,
            self.launch_time,
            self.kin,
            self.facts,
            self.withdrawn,
            self.withdrawal,
        ]


class _Kept(NewItem, omit_defaults=True):
    """An event as it is stored: without what is as always."""


def _kept(event: NewItem) -> _Kept:
    kept = _Kept(**{name: getattr(event, name) for name in _Kept.__struct_fields__})
    kept.description, kept.image_embedding = event.description[:STORED_DESCRIPTION_CHARS], None
    return kept


def _entries(batch: CatalogueBatch, first: int) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    place = f"{batch.chunk.topic}/{batch.chunk.partition}/"
    for event, offset in zip(batch.events, batch.offsets.tolist(), strict=True):
        if offset >= first:
            order = tie_order(event.event_id or f"{place}{offset}")
            entries.setdefault(event.item_id, _Entry(event.item_id)).add(event, offset, order)
    return entries


def _heads(entries: Iterable[_Entry]) -> np.ndarray:
    counts = [entry.events for entry in entries]
    heads = ITEM.heads(len(counts))
    heads["x"][:, ITEM.index["version"]] = counts
    heads["x"][:, ITEM.index["aux"]] = counts
    return heads


async def apply_kin(store: Store, batch: CatalogueBatch, items: Touched, table: KinTable) -> None:
    """The second phase: every relative of an item that came up in this chunk counts its launch,
    and what the item did before it was in the catalogue.

    Raises LostWrites, StoreEmpty, and redis errors, after which it may be called again.
    """
    chunk = batch.chunk
    field = watermark("k", chunk.log, chunk.partition)

    @cache
    def part(first: int) -> Deltas:
        return _kin_deltas(items, chunk, first, store)

    await run_kin_phase(store, chunk, field, part, table)


def _kin_deltas(items: Touched, chunk: Chunk, first: int, store: Store) -> Deltas:
    origin_field = watermark("i", chunk.log, chunk.partition)
    relatives: dict[str, int] = {}
    rows: list[Floats] = []
    group: list[int] = []
    for known in items.known:
        if not known.facts or not _came_up(known.facts, origin_field, first, chunk.end):
            continue
        debut = _debut(known.facts, known.early.record if known.early else None)
        for kin in known.family.kin:
            rows += debut
            group += [relatives.setdefault(kin, len(relatives))] * len(debut)
    x = np.array(rows).reshape(-1, len(ITEM.fields))
    merged = merge_rows(ITEM, x, np.array(group, np.int64), len(relatives))
    return without_lists(list(relatives), merged, store.keys)


def _came_up(facts: Facts, field: str, first: int, last: int) -> bool:
    return facts.origin == field and first <= facts.offset < last


def _debut(facts: Facts, early: bytes | None) -> list[Floats]:
    """What an item brings to its kin: its launch, and its behaviour so far without what is only
    the item's own."""
    launch = ITEM.identity.copy()
    launch[ITEM.index["last_time"]] = facts.launch_time
    launch[ITEM.index["launches"]] = 1
    launch[ITEM.index[decayed_name("launches", MONTH)]] = 1
    if early is None:
        return [launch]
    carried = np.frombuffer(early, ITEM.head, 1)["x"][0].copy()
    carried[ITEM.index["version"]] -= carried[ITEM.index["aux"]]
    carried[ITEM.index["aux"]] = 0
    return [launch, carried]
