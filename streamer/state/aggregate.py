"""From a chunk's columns to deltas: one packed record for every item or relative it touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.state.columns import NOBODY, TYPE_CODES, Columns
from streamer.state.keys import Keys
from streamer.state.layout import AMOUNT_UNIT, DAY, ITEM, decayed_name

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TYPES = len(TYPE_CODES)
_INTEREST = ("click", "favourite", "cart", "share")
_LISTS = tuple(name for name, _ in ITEM.lists)
_KEEP = np.array([keep for _, keep in ITEM.lists])


@dataclass(slots=True)
class Deltas:
    """What a chunk adds, sorted by shard: ``ids[bounds[s]:bounds[s+1]]`` belong to shard s.

    ``heads`` are layout.ITEM heads; ``tails`` the lists behind one another, big-endian u32, those
    of id i from ``tail_bounds[i]`` to ``tail_bounds[i+1]``; ``events`` how many events each shard
    is given.
    """

    ids: list[str]
    heads: np.ndarray
    tails: NDArray[np.uint32]
    tail_bounds: Ints
    bounds: Ints
    events: Ints

    def ids_of(self, shard: int) -> list[str]:
        return self.ids[self.bounds[shard] : self.bounds[shard + 1]]

    def packed(self, shard: int) -> tuple[bytes, bytes]:
        """Heads and tails of one shard."""
        first, last = self.bounds[shard], self.bounds[shard + 1]
        tails = self.tails[self.tail_bounds[first] : self.tail_bounds[last]]
        return self.heads[first:last].tobytes(), tails.tobytes()


def aggregate(
    rows: Columns, ids: Sequence[str], entity: Ints, keys: Keys, *, lists: bool = True
) -> Deltas:
    """Folds the rows into one delta for each of ``ids``; ``entity`` says which id a row is of.

    An id without a row gets a delta that changes nothing.
    """
    order, bounds = by_shard(ids, keys)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    entity = place[entity]
    heads = ITEM.heads(len(ids))
    _fold(rows, entity, heads["x"])
    tails, tail_bounds = _lists(rows, entity, heads) if lists else _no_lists(len(ids))
    counts = np.bincount(entity, minlength=len(ids))
    return Deltas(
        ids=[ids[i] for i in order],
        heads=heads,
        tails=tails,
        tail_bounds=tail_bounds,
        bounds=bounds,
        events=np.diff(np.concatenate([[0], np.cumsum(counts)])[bounds]),
    )


def without_lists(ids: Sequence[str], x: Floats, keys: Keys) -> Deltas:
    """Deltas of rows of fields that are there already, one for each id."""
    order, bounds = by_shard(ids, keys)
    heads = ITEM.heads(len(ids))
    heads["x"] = x[order]
    tails, tail_bounds = _no_lists(len(ids))
    events = np.zeros(keys.shards, np.int64)
    return Deltas([ids[i] for i in order], heads, tails, tail_bounds, bounds, events)


def by_shard(ids: Sequence[str], keys: Keys) -> tuple[Ints, Ints]:
    """The order that sorts the ids by shard, and where each shard begins in it."""
    shard = np.fromiter(map(keys.shard.__getitem__, ids), np.int64, len(ids))
    order = np.argsort(shard, kind="stable")
    return order, np.searchsorted(shard[order], np.arange(keys.shards + 1))


def _fold(rows: Columns, entity: Ints, x: Floats) -> None:
    """Fills the fields of the heads, shape (entities, fields)."""
    put = _Writer(x, entity, ITEM.index)
    bought = rows.type == TYPE_CODES["purchase"]
    shown = rows.type == TYPE_CODES["impression"]
    put.span("first_time", "last_time", entity, rows.time)
    put.span("first_purchase_time", "last_purchase_time", entity[bought], rows.time[bought])
    counts = np.bincount(entity * _TYPES + rows.type, minlength=len(x) * _TYPES)
    first = ITEM.index["impression"]
    x[:, first : first + _TYPES] = counts.reshape(-1, _TYPES)
    put.column("version")[:] = counts.reshape(-1, _TYPES).sum(axis=1)

    rated = ~np.isnan(rows.rating)
    put.sum("quantity", bought, rows.quantity)
    put.sum("value", bought, rows.value)
    put.sum("returned_value", rows.type == TYPE_CODES["return"], rows.value)
    put.sum("exposure", shown, rows.exposure)
    put.sum("sent", shown & rows.sent, rows.quantity)
    put.sum("rating_sum", rated, np.rint(rows.rating / AMOUNT_UNIT))
    put.sum("rating_count", rated, np.ones(len(rows)))
    _decay(rows, entity, put, bought, shown)


def _decay(rows: Columns, entity: Ints, put: _Writer, bought: Mask, shown: Mask) -> None:
    age = put.column("last_time")[entity] - rows.time
    one = np.ones(len(rows))
    signals = {
        "views": (rows.type == TYPE_CODES["view"], one),
        "interest": (np.isin(rows.type, [TYPE_CODES[name] for name in _INTEREST]), one),
        "purchases": (bought, one),
        "value": (bought, rows.value),
        "exposure": (shown, rows.exposure),
        "sent": (shown & rows.sent, rows.quantity),
    }
    present = {name: pair for name, pair in signals.items() if pair[0].any()}
    for half_life, names in ITEM.decayed:
        weight = np.exp2(age / -half_life)
        for name in names:
            if name in present:
                mask, amount = present[name]
                put.sum(decayed_name(name, half_life), mask, amount * weight)


@dataclass(slots=True)
class _Writer:
    """Writes columns of the heads by field name."""

    x: Floats
    entity: Ints
    index: dict[str, int]

    def column(self, field: str) -> Floats:
        return self.x[:, self.index[field]]

    def span(self, least: str, greatest: str, entity: Ints, time: Floats) -> None:
        """Of repeated indices the last assignment stands, so in order of time it is the extreme."""
        if (time[1:] < time[:-1]).any():
            order = np.argsort(time)
            entity, time = entity[order], time[order]
        self.column(greatest)[entity] = time
        self.column(least)[entity[::-1]] = time[::-1]

    def sum(self, field: str, mask: Mask, amount: Floats) -> None:
        if mask.any():
            self.column(field)[:] = np.bincount(
                self.entity[mask], weights=amount[mask], minlength=len(self.x)
            )


def _lists(rows: Columns, entity: Ints, heads: np.ndarray) -> tuple[NDArray[np.uint32], Ints]:
    """The lists of every entity, each ascending and cut to its length, and where they begin."""
    user = (rows.user >> np.uint64(32)).astype(np.int64)
    named = rows.user != NOBODY
    bought = rows.type == TYPE_CODES["purchase"]
    members = {
        "buyers": (bought & named, user),
        "users": (~bought & named, user),
        "channels": (rows.channel != NOBODY, rows.channel),
        "days": (bought, (rows.time // DAY).astype(np.int64)),
    }
    packed = np.concatenate(
        [
            (entity[mask] * len(_LISTS) + number << 32) | values[mask]
            for number, (mask, values) in enumerate(members[name] for name in _LISTS)
        ]
    )
    packed.sort()
    packed = packed[np.concatenate([[True], packed[1:] != packed[:-1]])] if len(packed) else packed
    group = packed >> 32
    rank = np.arange(len(packed)) - np.searchsorted(group, group)
    kept = rank < _KEEP[group % len(_LISTS)]
    packed, group = packed[kept], group[kept]
    lengths = np.bincount(group, minlength=len(heads) * len(_LISTS)).reshape(-1, len(_LISTS))
    for number, name in enumerate(_LISTS):
        heads[name] = lengths[:, number]
    tail_bounds = np.concatenate([[0], np.cumsum(lengths.sum(axis=1))])
    return (packed & 0xFFFFFFFF).astype(">u4"), tail_bounds


def _no_lists(count: int) -> tuple[NDArray[np.uint32], Ints]:
    return np.empty(0, ">u4"), np.zeros(count + 1, np.int64)
