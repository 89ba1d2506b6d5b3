"""What users turned to lately, as apply.lua takes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.state.columns import NOBODY, TYPE_CODES, Columns
from streamer.state.keys import Keys

Ints = NDArray[np.int64]

REMEMBERED_ITEMS = 100
"""Items kept of a user's recent past: a taste of fewer recommends worse (docs/models.md)."""

_TASTE = np.zeros(len(TYPE_CODES), bool)
_TASTE[[TYPE_CODES[n] for n in ("click", "favourite", "cart", "purchase", "share")]] = True


@dataclass(slots=True)
class Recent:
    """What users of one shard turned to: for each ``count`` pairs of time and item, all ``pairs``
    behind one another."""

    users: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    pairs: list[float | str] = field(default_factory=list)

    def add(self, user: str, pairs: list[float | str]) -> None:
        self.users.append(user)
        self.counts.append(len(pairs) // 2)
        self.pairs += pairs

    @property
    def columns(self) -> tuple[list[str], list[int], list[float | str]]:
        return self.users, self.counts, self.pairs


def recent(rows: Columns, items: Sequence[str], keys: Keys) -> dict[int, Recent]:
    """By shard, the items of each user's latest taste-bearing events."""
    found: defaultdict[int, Recent] = defaultdict(Recent)
    mask = _TASTE[rows.type] & (rows.user != NOBODY)
    if not mask.any():
        return found
    user, item, time = rows.user[mask], rows.item[mask], rows.time[mask]
    order = np.lexsort((time, item, user))
    user, item, time = user[order], item[order], time[order]
    latest = np.concatenate([(user[1:] != user[:-1]) | (item[1:] != item[:-1]), [True]])
    user, item, time = user[latest], item[latest], time[latest]
    bounds = np.flatnonzero(np.concatenate([[True], user[1:] != user[:-1], [True]]))
    pairs: list[float | str] = [0.0] * (2 * len(user))
    pairs[::2], pairs[1::2] = time.tolist(), [items[place] for place in item.tolist()]
    places = bounds.tolist()
    for who, start, end in zip(user[bounds[:-1]].tolist(), places, places[1:], strict=False):
        name, mine = f"{who:016x}", pairs[2 * start : 2 * end]
        found[keys.shard[name]].add(
            name, mine if end - start <= REMEMBERED_ITEMS else _remembered(mine)
        )
    return found


def _remembered(pairs: list[float | str]) -> list[float | str]:
    """The pairs of which any can be remembered: the script keeps as many of all, and breaks ties
    alike."""
    both = sorted(
        zip(pairs[::2], pairs[1::2], strict=True), key=lambda p: (p[0], str(p[1]).encode())
    )
    return [part for pair in both[-REMEMBERED_ITEMS:] for part in pair]
