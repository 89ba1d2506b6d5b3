"""A study: which log a predictor is learnt from, which of its launches test it, and what success is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamer.learning.accepted import Accepted
from streamer.learning.launches import Launches
from streamer.learning.replay import AT_FIRST_SIGHT
from streamer.replay.sources.complete_journey import DAY_ZERO, CompleteJourney
from streamer.replay.sources.journey_sales import data_file
from streamer.settings import Settings
from streamer.success import Success

AGES_DAYS = (AT_FIRST_SIGHT, 0.0, 1 / 24, 1.0, 3.0, 7.0, 14.0, 28.0)
"""First sight is before anything was done, 0 right after the launch."""
LEAST_REVIEWS = 200
"""Of fewer, networks would learn what is said of a handful of launches."""

_JOURNEY = ("transactions", "products", "promotions")
"""The files of Complete Journey."""


@dataclass(frozen=True, slots=True)
class Study:
    """``files`` are what the ``source`` is read from, none where that is no files. Launches before
    ``test_from_day`` are learnt from, the others measured on, each at ``ages_days``. Reviews are
    learnt from if launches have ``least_reviews`` of them by the last age."""

    source: Accepted
    files: Sequence[Path]
    launches: Launches
    test_from_day: float
    success: Success = field(default_factory=Success)
    ages_days: tuple[float, ...] = AGES_DAYS
    least_reviews: int = LEAST_REVIEWS

    @property
    def unseen_from_day(self) -> float:
        """By when all is known that is learnt from: launches before it share weeks with those
        labels."""
        return self.test_from_day + self.success.horizon_days

    @property
    def period(self) -> dict[str, str]:
        """When launches begin, from when on they are tested on, and when they end."""
        days = {
            "from": self.launches.first_day,
            "test_from": self.test_from_day,
            "until": self.launches.last_day,
        }
        return {name: self.launches.date(day) for name, day in days.items()}


def journey(settings: Settings) -> Study:
    """The launches that come with the project: Complete Journey's, split as documented. Raises
    DependencyMissing."""
    return Study(
        source=Accepted(CompleteJourney(history="full"), settings),
        files=[data_file(name) for name in _JOURNEY],
        launches=Launches(day_zero=DAY_ZERO, first_day=90.0, last_day=309.0),
        test_from_day=220.0,
    )
