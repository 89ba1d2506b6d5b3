"""Who bought what when, of a whole log: what tastes and labels are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.events import Behaviour, Encoding, NewItem
from streamer.learning.launches import Launches
from streamer.recommend.taste import KINDS, Items
from streamer.replay.record import Source
from streamer.state.known import family, kin_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Shopping:
    """The purchases of catalogued items, in order of user and time: ``item`` (purchases,), a place
    in ``item_ids``, and ``day`` since ``day_zero``; those of user ``u`` from ``start[u]`` to before
    ``start[u + 1]``. ``items`` are the facts of all items."""

    item_ids: list[str]
    items: Items
    start: Ints
    item: Ints
    day: Floats

    @property
    def users(self) -> range:
        return range(len(self.start) - 1)

    def within(self, user: int, since: float, until: float) -> slice:
        """Where the user's purchases of the days [since, until) are."""
        mine = slice(int(self.start[user]), int(self.start[user + 1]))
        first, last = np.searchsorted(self.day[mine], [since, until])
        return slice(mine.start + int(first), mine.start + int(last))

    def latest(self, user: int, until: float, count: int) -> tuple[Ints, Floats]:
        """The items that the user bought last before ``until``, at most ``count``, and the day of
        each one's last purchase: what a user's state remembers."""
        past = self.within(user, -np.inf, until)
        item, day = self.item[past][::-1], self.day[past][::-1]
        last = np.sort(np.unique(item, return_index=True)[1])[:count]
        return item[last], day[last]


def shopping(
    source: Source,
    launches: Launches,
    encodings: Mapping[str, Encoding],
    progress: Callable[[int], None] = lambda _: None,
) -> Shopping:
    """Reads the log; ``encodings`` are the descriptions' by item. ``progress`` is told how many
    records are done."""
    found = _Read()
    for done, record in enumerate(source, 1):
        if isinstance(record.value, NewItem):
            found.catalogue(record.value)
        elif isinstance(record.value, Behaviour):
            found.behaviour(record.value)
        if not done % 100_000:
            progress(done)
    user, item = np.array(found.user, np.int64), np.array(found.item, np.int64)
    day = (np.array(found.time) - launches.day_zero) / 86400.0
    order = np.lexsort((day, user))
    ids = list(found.items)
    start = np.searchsorted(user[order], np.arange(len(found.users) + 1))
    return Shopping(ids, found.facts(encodings), start, item[order], day[order])


@dataclass(slots=True)
class _Read:
    items: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    kin: list[tuple[int, ...]] = field(default_factory=list)
    price: list[float] = field(default_factory=list)
    user: list[int] = field(default_factory=list)
    item: list[int] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=lambda: {"": -1})

    def catalogue(self, event: NewItem) -> None:
        if event.item_id in self.items:
            return
        self.items[event.item_id] = len(self.items)
        names = family(" ".join(kin_of(event)).encode()).by_kind
        self.kin.append(tuple(self._numbers.setdefault(n, len(self._numbers)) for n in names))
        self.price.append(event.price or np.nan)

    def behaviour(self, event: Behaviour) -> None:
        if event.type != "purchase" or not event.user_id or event.item_id not in self.items:
            return
        self.user.append(self.users.setdefault(event.user_id, len(self.users)))
        self.item.append(self.items[event.item_id])
        self.time.append(event.time)

    def facts(self, encodings: Mapping[str, Encoding]) -> Items:
        vectors = {
            place: np.frombuffer(encodings[item_id].vector, "<f2")
            for item_id, place in self.items.items()
            if item_id in encodings
        }
        width = len(next(iter(vectors.values()), ()))
        content = np.zeros((len(self.items), width), np.float32)
        if vectors:
            content[list(vectors)] = np.stack(list(vectors.values()))
        kin = np.array(self.kin, np.int64).reshape(-1, len(KINDS))
        return Items(kin, np.log(np.array(self.price)), content)
