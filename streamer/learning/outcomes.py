"""What becomes of launches: labels that look only forward."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamer.events import Behaviour, NewItem
from streamer.learning.launches import Launches
from streamer.learning.metrics import above
from streamer.state.layout import DAY
from streamer.success import Success

Ints = NDArray[np.int64]

Outcome = Literal["buyers", "value", "repeat_rate", "return_rate"]
"""What is counted of a launch until its horizon: distinct buyers, sales value, the share of buyers
who bought again, purchases returned for each made (where a high probability is bad news)."""
_WAITING = frozenset({"purchase", "return", "review"})
"""What of that which is done with an item waits for it to be published."""


@dataclass(slots=True)
class _Tally:
    """What happened to a launch within its horizon: ``purchases`` of all, and of each known buyer."""

    purchases: int = 0
    of_buyer: Counter[str] = field(default_factory=Counter)
    value: float = 0.0
    returns: int = 0

    def outcome(self, of: str) -> float:
        buyers = len(self.of_buyer)
        if of == "buyers":
            return float(buyers)
        if of == "value":
            return self.value
        if of == "repeat_rate":
            return sum(count > 1 for count in self.of_buyer.values()) / max(buyers, 1)
        return self.returns / max(self.purchases, 1)


class Outcomes:
    """Counts what becomes of each launch, from its launch to the horizon, while events go by in
    order of time.

    ``launched`` is when each item was launched, as its first upsert says, and ``published`` when that
    upsert came, in seconds. What is done with an item before it is published waits for that.
    """

    def __init__(self, launches: Launches, success: Success) -> None:
        self._launches, self.success = launches, success
        self.launched: dict[str, float] = {}
        self.published: dict[str, float] = {}
        self._tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
        self._waiting: defaultdict[str, list[Behaviour]] = defaultdict(list)

    def take(self, event: Behaviour | NewItem) -> Sequence[Behaviour | NewItem]:
        """Returns the events of which it is known from now on to which launch they belong: this one
        and those that waited for it, or none."""
        settled = [event] if event.item_id in self.launched else self._settled(event)
        for each in settled:
            if isinstance(each, Behaviour):
                self._count(each)
        return settled

    def _settled(self, event: Behaviour | NewItem) -> list[Behaviour | NewItem]:
        """What an event of an item that was not published before settles."""
        if isinstance(event, NewItem):
            return [event, *self._publish(event)] if event.type == "upsert" else []
        if event.type in _WAITING:
            self._waiting[event.item_id].append(event)
        return []

    def _publish(self, item: NewItem) -> list[Behaviour]:
        self.launched[item.item_id], self.published[item.item_id] = item.launched, item.time
        return self._waiting.pop(item.item_id, [])

    def _count(self, event: Behaviour) -> None:
        launch = self.launched[event.item_id]
        if not launch <= event.time <= self._over(launch):
            return
        if event.type == "purchase":
            tally = self._tallies[event.item_id]
            tally.purchases += 1
            tally.value += event.value or 0.0
            if event.user_id is not None:
                tally.of_buyer[event.user_id] += 1
        elif event.type == "return":
            self._tallies[event.item_id].returns += 1

    def _over(self, launch: float) -> float:
        return launch + self.success.horizon_days * DAY

    def foreseen(self, item_id: str) -> bool:
        """Whether the item was published before its horizon had passed: later there is nothing to
        predict any more."""
        return self.published[item_id] < self._over(self.launched[item_id])

    @property
    def guest_share(self) -> float:
        """The share of the launches' purchases that are of nobody known; 0 of none."""
        tallies = [self._tallies[item_id] for item_id in self._items()]
        made = sum(tally.purchases for tally in tallies)
        return 1 - sum(tally.of_buyer.total() for tally in tallies) / made if made else 0.0

    @property
    def unlisted_purchases(self) -> int:
        """How many purchases are of items that were never published."""
        waiting = (event for events in self._waiting.values() for event in events)
        return sum(event.type == "purchase" for event in waiting)

    def outcome(self, item_id: str) -> float:
        return self._tallies[item_id].outcome(self.success.outcome)

    def cohorts(self) -> dict[int, list[str]]:
        """The launches, by cohort."""
        found: defaultdict[int, list[str]] = defaultdict(list)
        items = self._items()
        for item_id, number in zip(items, self.cohort(items).tolist(), strict=True):
            found[number].append(item_id)
        return found

    def cohort(self, item_ids: Sequence[str]) -> Ints:
        """The number of each item's cohort."""
        return self.success.cohort(np.array([self.launched[item_id] for item_id in item_ids]))

    def labels(self) -> dict[str, int]:
        """1 for each launch strictly above its cohort's quantile, else 0."""
        items = self._items()
        outcomes = np.array([self.outcome(item_id) for item_id in items])
        label = above(outcomes, self.cohort(items), self.success.quantile)
        return dict(zip(items, label.tolist(), strict=True))

    def _items(self) -> list[str]:
        """The launches."""
        return [item_id for item_id, time in self.launched.items() if self._launches.has(time)]

    def launch_day(self, item_id: str) -> float:
        return self._launches.day(self.launched[item_id])
