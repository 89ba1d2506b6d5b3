"""What the demo replays."""

from __future__ import annotations

from typing import Literal

from streamer.replay.record import Source
from streamer.replay.sources.clothing import ClothingReviews
from streamer.replay.sources.complete_journey import DAY_ZERO, CompleteJourney
from streamer.replay.sources.merge import merged

Scenario = Literal["grocery", "fashion", "all"]

DAY = 86400.0
FIRST_DAY = 220
"""The predictor that comes with the project learnt from launches before this day alone."""
DAYS = 45


def source(scenario: Scenario, days: int = DAYS) -> Source:
    """The data of a scenario: so many days of the grocery year from FIRST_DAY on, the clothing
    reviews spread over the same days, or both. Raises DependencyMissing."""
    sources: list[Source] = []
    if scenario in {"grocery", "all"}:
        last = FIRST_DAY + days - 1
        sources.append(CompleteJourney(FIRST_DAY, last, "catalogue"))
    if scenario in {"fashion", "all"}:
        start = DAY_ZERO + FIRST_DAY * DAY
        sources.append(ClothingReviews(start, start + days * DAY))
    return merged(sources)
