"""When the records of a paced replay are due."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from streamer.errors import ConfigurationError

MAX_LATE_SECONDS = 1.0
"""A replay that was held up goes on from here behind its schedule; the rest of the delay is not
caught up, so no burst is larger than this."""


class Schedule:
    """Event time against the wall clock, ``speed`` event seconds a second; None is without waiting.

    The clock starts when the first record that is not earlier than ``start_time`` comes up.
    Raises ConfigurationError.
    """

    def __init__(
        self, start_time: float, speed: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if speed is not None and not (math.isfinite(speed) and speed > 0):
            raise ConfigurationError(f"speed must be above 0 or max, not {speed}")
        self._start_time, self._speed, self._clock = start_time, speed, clock
        self._started: float | None = None

    def due_until(self, next_time: float) -> float:
        """The event time up to which, including, records may go out now, ``next_time`` being the
        next record's."""
        if self._speed is None or next_time < self._start_time:
            return math.inf if self._speed is None else math.nextafter(self._start_time, -math.inf)
        now = self._clock()
        if self._started is None:
            self._started = now
        late = now - self._due(next_time)
        if late > MAX_LATE_SECONDS:
            self._started += late - MAX_LATE_SECONDS
        return self._start_time + (now - self._started) * self._speed

    def wait_seconds(self, next_time: float) -> float:
        """How long until that record is due."""
        if self._speed is None or self._started is None:
            return 0.0
        return max(0.0, self._due(next_time) - self._clock())

    def _due(self, event_time: float) -> float:
        assert self._started is not None
        assert self._speed is not None
        return self._started + (event_time - self._start_time) / self._speed
