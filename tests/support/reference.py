"""What the state must be, worked out event by event in plain Python, without any of its code."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from xxhash import xxh3_64_intdigest

from streamer.events import BEHAVIOUR_TYPES, Behaviour, Encoding, NewItem

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
class Listing:
    """What the catalogue says of an item: the first upsert in the log, which decides when it was
    launched and whose relative it is, the latest, and the latest withdrawal, each with its place in
    time. Events of equal time stand in the order of a hash of their ids."""

    first: NewItem | None = None
    latest: tuple[float, int, NewItem | None] = (0.0, 0, None)
    withdrawn: tuple[float, int] = (0.0, 0)

    def add(self, event: NewItem, event_id: str) -> None:
        place = event.time, xxh3_64_intdigest(event_id.encode()) >> 11
        if event.type == "withdrawal":
            self.withdrawn = max(self.withdrawn, place)
            return
        self.first = self.first or event
        if place > self.latest[:2]:
            self.latest = *place, event

    @property
    def launch_time(self) -> float:
        assert self.first
        return self.first.time if self.first.launch_time is None else self.first.launch_time

    @property
    def is_withdrawn(self) -> bool:
        return self.withdrawn > self.latest[:2]


@dataclass
class Read:
    """What inference made of the texts of an item: of the latest description the vectors by
    encoder, and each review by its id as it was read first."""

    described: tuple[float, float, str] = (0.0, 0.0, "")
    vectors: dict[str, bytes] = field(default_factory=dict)
    reviews: dict[str, Encoding] = field(default_factory=dict)

    def add(self, encoding: Encoding) -> bool:
        """Whether it changes anything."""
        if encoding.kind == "review":
            new = encoding.text_id not in self.reviews
            self.reviews.setdefault(encoding.text_id, encoding)
            return new
        place = encoding.time, encoding.order
        if place > self.described[:2]:
            self.described, self.vectors = (*place, encoding.text_id), {}
        if place < self.described[:2] or encoding.fingerprint in self.vectors:
            return False
        self.vectors[encoding.fingerprint] = encoding.vector
        return True

    def decayed(self, name: str, window: str, now: float) -> float:
        return math.fsum(
            (1 if name == "reviews" else _units(e.sentiment or 0.0))
            * 2 ** ((e.time - now) / HOURS[window])
            for e in self.reviews.values()
        )


@dataclass
class Shop:
    """All items and relatives after a set of events, each counted once."""

    items: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    kin: dict[tuple[str, str], Counted] = field(default_factory=lambda: defaultdict(Counted))
    listings: dict[str, Listing] = field(default_factory=lambda: defaultdict(Listing))
    read: dict[str, Read] = field(default_factory=lambda: defaultdict(Read))

    def _beside(self, item_id: str) -> None:
        """Something beside its record has changed."""
        self.items[item_id].sums["version"] += 1
        self.items[item_id].sums["aux"] += 1


def shop(
    catalogue: list[NewItem],
    behaviour: list[Behaviour],
    encodings: list[Encoding] | None = None,
    *,
    log: str = "",
) -> Shop:
    """``catalogue`` is in the order of its log, partition 0 of the one named; ``encodings`` are in
    the order in which they came, which decides how often a version has grown and nothing else;
    the order of ``behaviour`` does not matter."""
    result = Shop()
    for offset, item in enumerate(catalogue):
        result.listings[item.item_id].add(item, item.event_id or f"{log}/0/{offset}")
        result._beside(item.item_id)
    for listing in result.listings.values():
        for relative in relatives(listing.first):
            result.kin[relative].launch(listing.launch_time)
    for event in behaviour:
        result.items[event.item_id].add(event)
        of = relatives(result.listings[event.item_id].first)
        for relative in of + ([("channel", event.channel)] if event.channel else []):
            result.kin[relative].add(event)
    for encoding in encodings or ():
        if result.read[encoding.item_id].add(encoding):
            result._beside(encoding.item_id)
    return result


def relatives(item: NewItem | None) -> list[tuple[str, str]]:
    """By kind and name; of an item that the catalogue never had there are none."""
    if item is None:
        return []
    found = [
        (kind, name) for kind, name in (("seller", item.seller), ("brand", item.brand)) if name
    ]
    if item.category:
        found.append(("department", item.category[0]))
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
