"""Reading items as they are now, without applying anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamer.state.known import Known, aux_of, beside
from streamer.state.records import ETAG_BYTES, Records, etag_of
from streamer.state.store import Store
from streamer.state.table import ItemTable
from streamer.state.touched import Touched


async def read_items(store: Store, ids: Sequence[str], table: ItemTable) -> Touched:
    """The items that have a record. What is beside a record is read only where it has changed since
    the table learnt of it; the table itself is left as it is."""
    found: dict[str, tuple[int, bytes, Known]] = {}
    changed: list[str] = []
    for item_id, value in zip(ids, await store.read("i", ids), strict=True):
        if value is not None:
            record, known = value[ETAG_BYTES:], table.known(item_id)
            found[item_id] = etag_of(value), record, known
            if aux_of(record) != known.aux:
                changed.append(item_id)
    if changed:
        for item_id, entry in zip(changed, await store.read_items(changed), strict=True):
            del found[item_id]
            if entry:
                found[item_id] = entry.etag, entry.record, entry.known
    present = [item_id for item_id in ids if item_id in found]
    etags = np.array([found[item_id][0] for item_id in present], np.uint64)
    records = Records.unpacked([found[item_id][1] for item_id in present])
    all_known = [found[item_id][2] for item_id in present]
    return Touched(present, etags, records, all_known, beside(all_known))
