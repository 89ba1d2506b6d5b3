"""Reading items as they are now, without applying anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamer.state.known import KnownItems
from streamer.state.layout import ITEM
from streamer.state.store import Entry, Store
from streamer.state.touched import Touched, touched

_AUX = ITEM.index["aux"]


async def read_items(store: Store, ids: Sequence[str], cache: KnownItems) -> Touched:
    """The items that have a record. What is beside a record is read only where the cache lacks it."""
    records = await store.read("i", ids)
    asked = [cache.get(item_id) for item_id in ids]
    stale = [
        item_id
        for item_id, record, known in zip(ids, records, asked, strict=True)
        if record is not None and _aux(record) != known.aux
    ]
    fresh = await _beside(store, stale)
    entries: list[Entry] = [
        fresh.get(item_id, record) if record is not None else None
        for item_id, record in zip(ids, records, strict=True)
    ]
    return touched(ids, entries, asked, cache)


async def _beside(store: Store, ids: Sequence[str]) -> dict[str, list[Any]]:
    """[record, facts, content, reviews, early] by item. The record is read first: if what is beside
    it changes meanwhile, the record counts one change less, and it is all read again next time."""
    if not ids:
        return {}
    columns = [await store.read(kind, ids) for kind in ("i", "f", "c", "r", "e")]
    rows = zip(ids, *columns, strict=True)
    return {item_id: list(entry) for item_id, *entry in rows if entry[0] is not None}


def _aux(record: bytes) -> float:
    (current,) = ITEM.current([record])
    return float(np.frombuffer(current, ITEM.head, 1)["x"][0, _AUX])
