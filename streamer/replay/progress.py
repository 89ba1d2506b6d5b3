"""How far a replay is."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

RATE_WINDOW_SECONDS = 3.0


@dataclass(slots=True)
class Sent:
    """What went to Kafka, by topic (our names) and by kind of record.

    ``too_large`` records were left out because no broker would have taken them.
    """

    by_topic: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)
    too_large: int = 0

    @property
    def records(self) -> int:
        return self.by_topic.total()


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a running replay.

    ``lead`` is how many sent records are not yet processed, None where nobody says; ``time`` the
    event time reached, in seconds since the epoch; ``fraction`` goes from 0 to 1.
    """

    sent: int
    total: int
    by_topic: Mapping[str, int]
    by_kind: Mapping[str, int]
    too_large: int
    events_per_second: float
    lead: int | None
    time: float

    @property
    def fraction(self) -> float:
        return (self.sent + self.too_large) / self.total if self.total else 1.0


class Rate:
    """Events a second over the last seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen = deque([(clock(), 0)])

    def of(self, count: int) -> float:
        """The rate, ``count`` being the number of events so far."""
        now = self._clock()
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_WINDOW_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        return (count - before) / (now - since) if now > since else 0.0
