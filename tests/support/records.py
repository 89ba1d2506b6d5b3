"""Records of random histories, for what merges and reads them without Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.events import Behaviour
from streamer.state.aggregate import folded, members
from streamer.state.batch import Batch, Range
from streamer.state.columns import Pseudonyms
from streamer.state.keys import Keys
from streamer.state.layout import ITEM
from streamer.state.members import EMPTY, add, slots_of
from streamer.state.records import ETAG_BYTES, Records

KEYS = Keys("unit", 4)
PSEUDONYMS = Pseudonyms("secret")


@dataclass
class Deltas:
    """What events add, an item a row."""

    ids: list[str]
    records: Records


def batch_of(events: Sequence[Behaviour]) -> Batch:
    return Batch.of([Range.holding("log", 0, behaviour=events)], KEYS, PSEUDONYMS)


def deltas_of(events: Sequence[Behaviour]) -> Deltas:
    """What these events add to each item."""
    batch = batch_of(events)
    records = Records.empty(len(batch.items))
    records.x[:] = folded(ITEM, batch.rows, batch.rows.item, len(batch.items))
    add(records.counts, records.slots, members(batch.rows))
    return Deltas(batch.items, records)


def stored(members: Sequence[int] = (), **fields: float) -> bytes:
    """One record with these fields and buyers, as Redis holds it behind the etag."""
    records = Records.empty(1)
    for name, value in fields.items():
        records.x[0, ITEM.index[name]] = value
    records.counts[0, 0], records.slots[0, : len(members)] = len(members), members
    return records.packed(1)[0][ETAG_BYTES:]


def list_of(records: Records, place: int, name: str) -> list[int]:
    """One list of one record, ascending."""
    slots = records.slots[place, slots_of(name)]
    return sorted(slots[slots != EMPTY].tolist())
