"""What the state must be, worked out event by event in plain Python, without any of its code."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from streamer.events import BEHAVIOUR_TYPES, Behaviour, NewItem

HOURS = {"1h": 3600.0, "24h": 86400.0, "168h": 7 * 86400.0, "672h": 28 * 86400.0}
DECAYED = {
    "views": ("1h", "24h", "168h"),
    "interest": ("1h", "24h", "168h", "672h"),
    "purchases": ("1h", "24h", "168h", "672h"),
    "value": ("24h", "168h", "672h"),
    "exposure": ("24h", "168h", "672h"),
    "sent": ("168h", "672h"),
    "launches": ("672h",),
}
INTEREST = {"click", "favourite", "cart", "share"}
SENT = {"email", "mailer", "push", "sms"}


@dataclass
class Counted:
    """One item or relative: exact sums in units of 1/10,000, and weighted moments in time."""

    sums: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    moments: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    times: list[float] = field(default_factory=list)
    purchase_times: list[float] = field(default_factory=list)
    buyers: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)
    days: set[int] = field(default_factory=set)

    def add(self, event: Behaviour) -> None:
        self.times.append(event.time)
        self.sums["version"] += 1
        self.sums[event.type] += 1
        quantity, value = _units(event.quantity), _units(event.value or 0.0)
        if event.type == "view":
            self._signal("views", event.time, 1)
        if event.type in INTEREST:
            self._signal("interest", event.time, 1)
        if event.type == "purchase":
            self.purchase_times.append(event.time)
            self.sums["quantity"] += quantity
            self.sums["value"] += value
            self._signal("purchases", event.time, 1)
            self._signal("value", event.time, value)
            self.days.add(int(event.time // 86400))
        if event.type == "return":
            self.sums["returned_value"] += value
        if event.type == "impression":
            examined = (
                _round(quantity / math.log2(1 + event.position)) if event.position else quantity
            )
            self.sums["exposure"] += examined
            self._signal("exposure", event.time, examined)
            if event.surface in SENT:
                self.sums["sent"] += quantity
                self._signal("sent", event.time, quantity)
        if event.rating is not None:
            self.sums["rating_sum"] += _units(event.rating)
            self.sums["rating_count"] += 1
        if event.user_id is not None:
            (self.buyers if event.type == "purchase" else self.users).add(event.user_id)
        if event.channel is not None:
            self.channels.add(event.channel)

    def launch(self, time: float) -> None:
        self.sums["launches"] += 1
        self._signal("launches", time, 1)

    def _signal(self, name: str, time: float, amount: float) -> None:
        self.moments[name].append((time, amount))

    def decayed(self, name: str, window: str, now: float) -> float:
        return math.fsum(a * 2 ** ((t - now) / HOURS[window]) for t, a in self.moments[name])


@dataclass
class Shop:
    """All items and relatives after a set of events, each counted once."""

    items: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    kin: dict[tuple[str, str], Counted] = field(default_factory=lambda: defaultdict(Counted))
    facts: dict[str, NewItem] = field(default_factory=dict)


def shop(catalogue: list[NewItem], behaviour: list[Behaviour]) -> Shop:
    """``catalogue`` is in log order; the order of ``behaviour`` does not matter."""
    result = Shop()
    first: dict[str, NewItem] = {}
    for item in catalogue:
        first.setdefault(item.item_id, item)
        kept = result.facts.get(item.item_id)
        if kept is None or item.time > kept.time:
            result.facts[item.item_id] = item
        result.items[item.item_id].sums["version"] += 1
        result.items[item.item_id].sums["aux"] += 1
    for item in first.values():
        for relative in relatives(item):
            result.kin[relative].launch(item.time if item.launch_time is None else item.launch_time)
    for event in behaviour:
        result.items[event.item_id].add(event)
        of = relatives(first[event.item_id]) if event.item_id in first else []
        for relative in of + ([("channel", event.channel)] if event.channel else []):
            result.kin[relative].add(event)
    return result


def relatives(item: NewItem) -> list[tuple[str, str]]:
    found = [("brand", item.brand)] if item.brand else []
    if item.category:
        found.append(("category", "\0".join(item.category[:-1] or item.category)))
        found.append(("type", "\0".join(item.category)))
    return found


def _units(amount: float) -> int:
    return _round(amount * 10_000)


def _round(value: float) -> int:
    return round(value)


SUMS = (
    *BEHAVIOUR_TYPES,
    "version",
    "aux",
    "quantity",
    "value",
    "returned_value",
    "exposure",
    "sent",
    "rating_sum",
    "rating_count",
    "launches",
)
