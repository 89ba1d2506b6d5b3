"""Stream time: the largest event time seen, moving on with the wall clock while nothing arrives.

A replay at any speed ages items exactly as the live stream did.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class StreamClock:
    """Starts at 0, which means that no event was ever seen."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._latest = 0.0
        self._since = monotonic()

    def advance(self, event_time: float | None) -> None:
        """Takes in an event's time; an earlier one changes nothing."""
        if event_time is not None and event_time > self._latest:
            self._latest = event_time
            self._since = self._monotonic()

    @property
    def latest(self) -> float:
        """The largest event time seen, seconds since the epoch."""
        return self._latest

    def now(self) -> float:
        """Stream time in seconds since the epoch."""
        return self._latest + (self._monotonic() - self._since if self._latest else 0.0)
