"""A day of Complete Journey in which there are more sales than promotions."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.replay.record import TimedRecord
from streamer.replay.sources.complete_journey import CompleteJourney

PROMOTIONS_LEFT_OUT = 10
"""Of so many, all but one."""


def busy_day(day: int) -> Iterator[TimedRecord]:
    promotions = 0
    for record in CompleteJourney(day, day):
        if record.kind == "impression":
            promotions += 1
            if promotions % PROMOTIONS_LEFT_OUT:
                continue
        yield record
