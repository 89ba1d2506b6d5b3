"""The real events that benchmarks are fed with: Complete Journey, as the demo replays it."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.errors import ConfigurationError
from streamer.events import Behaviour
from streamer.publish import Record
from streamer.replay.sources.complete_journey import LAST_DAY, CompleteJourney
from streamer.topology import NEW_ITEMS

FIRST_DAY = 90


@dataclass(frozen=True, slots=True)
class Journey:
    """Behaviour in order of time, and the catalogue of all items that occur in it or before."""

    catalogue: list[Record]
    events: list[Behaviour]
    records: list[Record]
    """The events as they go over the wire."""


def journey(count: int) -> Journey:
    """The first ``count`` events from FIRST_DAY on. Raises ConfigurationError, DependencyMissing."""
    catalogue: list[Record] = []
    events: list[Behaviour] = []
    records: list[Record] = []
    for record in CompleteJourney(FIRST_DAY, LAST_DAY, "catalogue"):
        if record.topic is NEW_ITEMS:
            catalogue.append((record.key, record.encoded()))
        elif isinstance(record.value, Behaviour):
            events.append(record.value)
            records.append((record.key, record.encoded()))
        if len(events) == count:
            return Journey(catalogue, events, records)
    raise ConfigurationError(f"the data have {len(events)} events from day {FIRST_DAY} on")
