"""Which launches are learnt from, and when they are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from streamer.events import NewItem
from streamer.state.layout import DAY


@dataclass(frozen=True, slots=True)
class Launches:
    """A launch is an item that is launched from ``first_day`` to before ``last_day`` after
    ``day_zero`` (seconds)."""

    day_zero: float
    first_day: float
    last_day: float

    def includes(self, item: NewItem) -> bool:
        return self.has(item.launched)

    def has(self, launched: float) -> bool:
        """Whether what was launched then (seconds) is among them."""
        return self.first_day <= self.day(launched) < self.last_day

    def day(self, time: float) -> float:
        return (time - self.day_zero) / DAY

    def date(self, day: float) -> str:
        """A day as a date, UTC."""
        return f"{datetime.fromtimestamp(self.day_zero + day * DAY, UTC):%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class AtAges:
    """Looks at each launch at the same ages, in days; at none at which it was not yet known."""

    launches: Launches
    ages_days: tuple[float, ...]

    def __call__(self, item: NewItem) -> tuple[float, ...]:
        if not self.launches.includes(item):
            return ()
        known = (item.time - item.launched) / DAY
        return tuple(age for age in self.ages_days if age < 0 or age >= known)


@dataclass(frozen=True, slots=True)
class AtMoments:
    """Looks at all launches at the same moments, in days since ``day_zero``, while they are at
    most ``within_days`` old."""

    launches: Launches
    days: tuple[float, ...]
    within_days: float

    def __call__(self, item: NewItem) -> tuple[float, ...]:
        if not self.launches.includes(item):
            return ()
        launched, known = self.launches.day(item.launched), self.launches.day(item.time)
        ages = (day - launched for day in self.days if day >= known)
        return tuple(age for age in ages if 0 < age <= self.within_days)
