"""Twelve decayed sums an item, as `job` keeps them, of many events at once and exactly once.

Records are written by apply.lua, the script that writes our full ones: watermarks and compare-and-set
are those of a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.bench.peers.job import HALF_LIVES_SECONDS
from streamer.events import Behaviour
from streamer.state.batch import Range, by_shard
from streamer.state.keys import Keys
from streamer.state.phases import Offsets, open_ranges, run_phase
from streamer.state.records import next_etag
from streamer.state.store import ItemsCall, RangeCall, Reply, Store

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SIGNALS = ("events", "purchases", "value")
_FIELDS = 1 + len(HALF_LIVES_SECONDS) * len(SIGNALS)
STORED = np.dtype([("etag", "<u8"), ("x", "<f8", (_FIELDS,))])
"""A record behind its etag: the time of its last event, and for each half-life the sums."""
UNKNOWN = bytes(STORED.itemsize)
MOST_AT_HAND = 200_000
_LAST_TIME, _SUMS = 0, slice(1, None)
_SECONDS = np.array(HALF_LIVES_SECONDS)


class Event(msgspec.Struct, gc=False):
    """What the job needs of a Behaviour."""

    item_id: str
    type: str
    time: float
    value: float | None = None


@dataclass(eq=False)
class Rows:
    """Events of some ranges as columns: ``item`` is a place in ``ids``, sorted by shard, those of
    shard s from ``bounds[s]`` on; ``range`` one in the ranges; ``added`` (events, signals)."""

    ids: list[str]
    bounds: Ints
    item: Ints
    range: Ints
    offset: Ints
    time: Floats
    added: Floats

    @classmethod
    def of(
        cls, events: Sequence[Sequence[Event | Behaviour]], ranges: Sequence[Range], keys: Keys
    ) -> Rows:
        """``events`` are those of each range."""
        flat = [event for some in events for event in some]
        ids = list(dict.fromkeys([event.item_id for event in flat]))
        order, bounds = by_shard(ids, keys)
        ids = [ids[place] for place in order.tolist()]
        places = dict(zip(ids, range(len(ids)), strict=True))
        bought = np.array([event.type == "purchase" for event in flat], np.float64)
        value = np.array([event.value or 0.0 for event in flat]) * bought
        return cls(
            ids,
            bounds,
            np.array([places[event.item_id] for event in flat], np.int64),
            np.repeat(np.arange(len(events)), [len(some) for some in events]),
            np.concatenate([each.offsets for each in ranges]),
            np.array([event.time for event in flat]),
            np.stack([np.ones(len(flat)), bought, value], axis=1),
        )


def summed(x: Floats, rows: Rows, which: Ints) -> Floats:
    """Adds these of the rows to the items' records ``x`` (items, fields), in their order; the sum
    of all sums behind each.

    The n-th events of all items are added at once.
    """
    item = rows.item[which]
    order = np.argsort(item, kind="stable")
    ordered = item[order]
    rank = np.arange(len(which)) - np.searchsorted(ordered, ordered)
    turns = order[np.argsort(rank, kind="stable")]
    totals = np.empty(len(which))
    for some in np.split(turns, np.cumsum(np.bincount(rank))[:-1]):
        who, at = item[some], which[some]
        record, time = x[who], rows.time[at]
        age = np.maximum(0.0, time - record[:, _LAST_TIME])
        sums = record[:, _SUMS].reshape(len(some), len(_SECONDS), -1)
        sums = sums * np.exp(-age[:, None] / _SECONDS)[:, :, None] + rows.added[at][:, None]
        x[who, _SUMS] = sums.reshape(len(some), -1)
        x[who, _LAST_TIME] = np.maximum(record[:, _LAST_TIME], time)
        totals[some] = sums.sum((1, 2))
    return totals


class Sums:
    """The items' records, those of late at hand."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at_hand: dict[str, bytes] = {}

    def forget(self) -> None:
        self._at_hand.clear()

    async def apply(self, ranges: Sequence[Range], rows: Rows) -> Floats:
        """Brings the records to the end of the ranges, also where that was done before; the
        logistic score behind each event, or that of its item now where it had been applied before.

        Raises what `apply_items` raises. Only one call may be under way.
        """
        if len(self._at_hand) > MOST_AT_HAND:
            self.forget()
        totals = np.full(len(rows.item), np.nan)
        shards = self._store.keys.shards
        shard = np.searchsorted(rows.bounds, rows.item, side="right") - 1

        async def attempt(waiting: Mapping[int, Offsets]) -> Sequence[Reply]:
            first = np.full((shards, len(ranges)), np.iinfo(np.int64).max)
            for number, offsets in waiting.items():
                first[number] = offsets
            which = np.flatnonzero(rows.offset >= first[shard, rows.range])
            records = (await self._read(rows.ids)).copy()
            expected = records["etag"].copy()
            records["etag"], found = next_etag(), summed(records["x"], rows, which)
            events = np.zeros((shards, len(ranges)), np.int64)
            np.add.at(events, (shard[which], rows.range[which]), 1)
            replies = await self._store.apply_items(
                [
                    _call(number, ranges, offsets, rows, events[number], expected, records)
                    for number, offsets in waiting.items()
                ]
            )
            done = np.zeros(shards, bool)
            done[list(waiting)] = [reply.applied is not None for reply in replies]
            totals[which[done[shard[which]]]] = found[done[shard[which]]]
            for number, reply in zip(waiting, replies, strict=True):
                self._take_in(rows, number, records, applied=reply.applied is not None)
            return replies

        await run_phase("i", ranges, shards, attempt)
        before = np.isnan(totals)
        if before.any():
            now = (await self._read(rows.ids))["x"][:, _SUMS].sum(axis=1)
            totals[before] = now[rows.item[before]]
        probability: Floats = 1 / (1 + np.exp(-np.minimum(0.01 * totals, 700.0)))
        return probability

    async def _read(self, ids: Sequence[str]) -> np.ndarray:
        strangers = [item_id for item_id in ids if item_id not in self._at_hand]
        if strangers:
            found = await self._store.read("i", strangers)
            self._at_hand |= {i: s or UNKNOWN for i, s in zip(strangers, found, strict=True)}
        return np.frombuffer(b"".join([self._at_hand[i] for i in ids]), STORED)

    def _take_in(self, rows: Rows, shard: int, records: np.ndarray, *, applied: bool) -> None:
        places = _places(rows, shard)
        if applied:
            stored = records[places].view(f"V{STORED.itemsize}").tolist()
            self._at_hand |= zip(rows.ids[places], stored, strict=True)
        else:
            for item_id in rows.ids[places]:
                del self._at_hand[item_id]


def _places(rows: Rows, shard: int) -> slice:
    return slice(int(rows.bounds[shard]), int(rows.bounds[shard + 1]))


def _call(
    shard: int,
    ranges: Sequence[Range],
    first: Offsets,
    rows: Rows,
    events: Ints,
    expected: NDArray[np.uint64],
    records: np.ndarray,
) -> ItemsCall:
    places = _places(rows, shard)
    called: list[RangeCall] = [
        (ranges[n].watermark("i"), first[n], ranges[n].end, int(events[n]), 0, 0)
        for n in open_ranges(ranges, first)
    ]
    ids = rows.ids[places]
    return ItemsCall(
        shard=shard,
        ranges=called,
        clock=float(rows.time.max()),
        ids=ids,
        records=records[places].view(f"V{STORED.itemsize}").tolist(),
        etags=expected[places].tobytes(),
        facts=[],
        users=None,
    )
