"""What a shop's own log shows of its choices: each impression with a known propensity, and whether
its shopper then did what was hoped for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.events import Behaviour
from streamer.launch.boards import EVERYTHING
from streamer.replay.record import TimedRecord

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hope:
    """The reward: one ``action`` of the same shopper with the same item within ``within_seconds``
    of the impression; of several impressions the last one earns it."""

    action: str
    within_seconds: float


@dataclass(slots=True)
class Exposures:
    """A row each impression: when, what, at which ``place`` (from 0), by which ``shopper``, with
    which ``propensity``, in a list of which ``board``, and its ``reward``. ``left_out`` counts impressions by what they lack."""

    time: list[float] = field(default_factory=list)
    item: list[str] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    shopper: list[int] = field(default_factory=list)
    propensity: list[float] = field(default_factory=list)
    board: list[str] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.time)


def exposures(records: Iterable[TimedRecord], hope: Hope) -> Exposures:
    """Collects them from records in time order. An impression without a position is in the first,
    one without a board in a list of all items; a shopper is a session, or else a user."""
    found = Exposures()
    shoppers: dict[str, int] = {}
    last: dict[tuple[int, str], int] = {}
    for record in records:
        event = record.value
        if not isinstance(event, Behaviour):
            continue
        name = event.session or event.user_id
        if name is None:
            found.left_out["a session or user"] += event.type == "impression"
            continue
        key = shoppers.setdefault(name, len(shoppers)), event.item_id
        if event.type == "impression":
            _add(found, event, key, last)
        elif event.type == hope.action and key in last:
            row = last[key]
            in_time = event.time - found.time[row] <= hope.within_seconds
            found.reward[row] = max(found.reward[row], float(in_time))
    return found


def _add(
    found: Exposures, event: Behaviour, key: tuple[int, str], last: dict[tuple[int, str], int]
) -> None:
    if event.propensity is None:
        found.left_out["a propensity"] += 1
        last.pop(key, None)
        return
    last[key] = len(found)
    found.time.append(event.time)
    found.item.append(event.item_id)
    found.place.append((event.position or 1) - 1)
    found.shopper.append(key[0])
    found.propensity.append(event.propensity)
    found.board.append(event.board or EVERYTHING)
    found.reward.append(0.0)
