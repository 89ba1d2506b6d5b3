"""The watchdog: ends the process when something that should move stands still.

It is a thread, for the event loop is one of those things: a call that does not come back, or a lock
that nobody gives back, stops the loop with all that it could have noticed. (Where such a call also
keeps the interpreter's lock, no thread runs; /healthz does not answer then, either.)
"""

from __future__ import annotations

import asyncio
import faulthandler
import math
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import structlog

from streamer import metrics
from streamer.errors import Stalled
from streamer.interrupt import leave

log = structlog.get_logger(__name__)

LOOP = "the event loop"
LEAST_LOOKS, LONGEST_INTERVAL_SECONDS = 3, 5.0
STALLED_STAYS_SECONDS = 10.0
"""How long a process that has stalled stays, for its metrics to be read once more."""
ENDING_SECONDS = 15.0
"""How long it may take to end in order after that."""
STDERR = 2


class Watchdog:
    """Fails an app in which something has stood still for ``limit_seconds``, and ends the process
    if that does not. It watches within the block.

    Seconds are counted by the thread's own wakeups: while the process as a whole is stopped
    (SIGSTOP, a machine that sleeps) nothing can move, and nothing counts.
    """

    def __init__(self, app: Any, limit_seconds: float) -> None:
        self._app = app
        self._limit_seconds = limit_seconds
        self._looks = max(LEAST_LOOKS, math.ceil(limit_seconds / LONGEST_INTERVAL_SECONDS))
        self.interval_seconds = limit_seconds / self._looks
        self._over = threading.Event()
        self._shown: Mapping[str, float] = {LOOP: 0}
        self._still: dict[str, tuple[float, int]] = {}

    def show(self, standing: Mapping[str, float]) -> None:
        """To be called once per interval, by the event loop: whatever should move, by name, with a
        number that is another one when it has."""
        self._shown = {LOOP: self._shown[LOOP] + 1, **standing}

    def look(self) -> str | None:
        """What has stood still for too long, if anything has; at a wakeup one interval after the
        last."""
        before = self._still
        self._still = {
            name: (at, 1 + before[name][1] if name in before and before[name][0] == at else 0)
            for name, at in self._shown.items()
        }
        return next((n for n, (_, looks) in self._still.items() if looks > self._looks), None)

    def __enter__(self) -> Watchdog:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, args=(loop,), name="watchdog", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._over.wait(self.interval_seconds):
            if stalled := self.look():
                with suppress(Exception):  # There may be nowhere left to tell it.
                    self._tell(stalled)
                self._end(loop, Stalled(f"{stalled} has not moved for {self._limit_seconds:.0f} s"))
                return

    def _tell(self, stalled: str) -> None:
        metrics.STALLS.inc()
        log.critical(
            "stalled: events wait and nothing moves; ending the process",
            what=stalled,
            seconds=round(self._limit_seconds),
        )
        if stalled == LOOP:
            faulthandler.dump_traceback(STDERR)

    def _end(self, loop: asyncio.AbstractEventLoop, error: Stalled) -> None:
        """In order where the loop runs. What the app has failed with otherwise is not hidden."""
        self._over.wait(STALLED_STAYS_SECONDS)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._app.fail, error)
        if not self._over.wait(ENDING_SECONDS):
            leave(self._app.failure or error)
