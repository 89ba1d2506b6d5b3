"""Deltas of random histories, for what merges and reads records without Redis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamer.events import Behaviour
from streamer.state.aggregate import Deltas, aggregate
from streamer.state.columns import Pseudonyms, columns
from streamer.state.keys import Keys

KEYS = Keys("unit", 4)
PSEUDONYMS = Pseudonyms("secret")


def deltas_of(events: Sequence[Behaviour]) -> Deltas:
    """What these events add, an entity an item."""
    rows = columns(events, np.arange(len(events)), PSEUDONYMS)
    return aggregate(rows, rows.items, rows.item, KEYS)


def list_of(deltas: Deltas, place: int, name: str) -> list[int]:
    """One list of one entity."""
    head = deltas.heads[place]
    start = int(deltas.tail_bounds[place])
    for other in ("buyers", "users", "channels", "days"):
        length = int(head[other])
        if other == name:
            return deltas.tails[start : start + length].tolist()
        start += length
    raise KeyError(name)
