"""What becomes of launches: labels that look only forward."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from streamer.events import Behaviour, NewItem
from streamer.learning.launches import Launches
from streamer.live import Success
from streamer.state.layout import DAY

Outcome = Literal["buyers", "value", "repeat_rate", "return_rate"]
"""What is counted of a launch until its horizon: distinct buyers, sales value, the share of buyers
who bought again, purchases returned for each made (where a high probability is bad news)."""


@dataclass(slots=True)
class _Tally:
    """What happened to a launch within its horizon."""

    purchases: Counter[str | None] = field(default_factory=Counter)
    value: float = 0.0
    returns: int = 0

    def outcome(self, of: str) -> float:
        buyers = len(self.purchases)
        if of == "buyers":
            return float(buyers)
        if of == "value":
            return self.value
        if of == "repeat_rate":
            return sum(count > 1 for count in self.purchases.values()) / max(buyers, 1)
        return self.returns / max(self.purchases.total(), 1)


class Outcomes:
    """Counts what becomes of each launch within the horizon while events go by in order of time.

    ``launched`` is when each item was launched, as its first upsert says, in seconds.
    """

    def __init__(self, launches: Launches, success: Success) -> None:
        self._launches, self._success = launches, success
        self.launched: dict[str, float] = {}
        self._tallies: defaultdict[str, _Tally] = defaultdict(_Tally)

    def take(self, event: Behaviour | NewItem) -> None:
        if isinstance(event, Behaviour):
            self._count(event)
        elif event.type == "upsert":
            self.launched.setdefault(event.item_id, event.launched)

    def _count(self, event: Behaviour) -> None:
        launch = self.launched.get(event.item_id)
        if launch is None or event.time > launch + self._success.horizon_days * DAY:
            return
        if event.type == "purchase":
            tally = self._tallies[event.item_id]
            tally.purchases[event.user_id] += 1
            tally.value += event.value or 0.0
        elif event.type == "return":
            self._tallies[event.item_id].returns += 1

    def outcome(self, item_id: str) -> float:
        return self._tallies[item_id].outcome(self._success.outcome)

    def cohorts(self) -> dict[int, list[str]]:
        """The launches, by cohort."""
        found: defaultdict[int, list[str]] = defaultdict(list)
        for item_id, time in self.launched.items():
            if self._launches.has(time):
                number = int(self._launches.day(time) // self._success.cohort_days)
                found[number].append(item_id)
        return found

    def labels(self) -> dict[str, int]:
        """1 for each launch strictly above its cohort's quantile, else 0."""
        labels: dict[str, int] = {}
        for members in self.cohorts().values():
            outcomes = np.array([self.outcome(item_id) for item_id in members])
            bar = np.quantile(outcomes, self._success.quantile)
            labels |= {m: int(o > bar) for m, o in zip(members, outcomes.tolist(), strict=True)}
        return labels

    def launch_day(self, item_id: str) -> float:
        return self._launches.day(self.launched[item_id])
