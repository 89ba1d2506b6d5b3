"""What a shop's own log shows of its choices: each impression with a known propensity, and whether
its shopper then did what was hoped for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamer.events import Behaviour
from streamer.launch.boards import EVERYTHING
from streamer.replay.record import TimedRecord

_Who = tuple[str, str]
"""Kind and name of a session or a user."""


@dataclass(frozen=True, slots=True)
class Hope:
    """The reward: one ``action`` of the same session or user with the same item within
    ``within_seconds`` of the impression; of several impressions the last one earns it."""

    action: str
    within_seconds: float


@dataclass(slots=True)
class Exposures:
    """A row each impression: when, what, at which ``place`` (from 0), by which ``shopper``, with
    which ``propensity``, in a list of which ``board``, and its ``reward``. ``left_out`` counts
    impressions by what they lack."""

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
    found, seen = Exposures(), _Seen()
    for record in records:
        event = record.value
        if not isinstance(event, Behaviour):
            continue
        who = _who(event)
        if not who:
            found.left_out["a session or user"] += event.type == "impression"
        elif event.type == "impression":
            _show(found, event, who, seen)
        elif event.type == hope.action:
            row = seen.latest(who, event.item_id)
            if row is not None and event.time - found.time[row] <= hope.within_seconds:
                found.reward[row] = 1.0
    return found


def _who(event: Behaviour) -> list[_Who]:
    """Session and user of an event, as far as it tells them."""
    names = {"session": event.session, "user": event.user_id}
    return [(kind, name) for kind, name in names.items() if name is not None]


class _Seen:
    """Which row each session and user was last shown each item by."""

    def __init__(self) -> None:
        self._shoppers: dict[_Who, int] = {}
        self._row: dict[tuple[_Who, str], int] = {}

    def number(self, who: list[_Who], item_id: str, row: int) -> int:
        """Takes in what is shown by a row; returns the number of its shopper."""
        self._row.update({(each, item_id): row for each in who})
        return self._shoppers.setdefault(who[0], len(self._shoppers))

    def forget(self, who: list[_Who], item_id: str) -> None:
        for each in who:
            self._row.pop((each, item_id), None)

    def latest(self, who: list[_Who], item_id: str) -> int | None:
        rows = (self._row.get((each, item_id)) for each in who)
        return max((row for row in rows if row is not None), default=None)


def _show(found: Exposures, event: Behaviour, who: list[_Who], seen: _Seen) -> None:
    if event.propensity is None:
        found.left_out["a propensity"] += 1
        seen.forget(who, event.item_id)
        return
    found.shopper.append(seen.number(who, event.item_id, len(found)))
    found.time.append(event.time)
    found.item.append(event.item_id)
    found.place.append((event.position or 1) - 1)
    found.propensity.append(event.propensity)
    found.board.append(event.board or EVERYTHING)
    found.reward.append(0.0)
