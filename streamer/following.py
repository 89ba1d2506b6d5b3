"""Following `ACTIVE`: what a process has in use is what the store names, without a restart.

A process reads `ACTIVE` every `POLL_SECONDS`, all of it. What it says counts, not when it was
touched: network file systems remember times, inodes and names for seconds, but opening a file asks
the server (close-to-open consistency), and inotify hears nothing of another machine. What is named
is read, verified and tried on a thread, and taken in one step on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from streamer import metrics
from streamer.errors import BundleError

log = structlog.get_logger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.5
RETRY_SECONDS = 5.0
"""What could not be used is tried again after this long: its files may still be arriving."""


class Follower(Generic[T]):
    """Asks ``named`` which bundle is to be used; ``open`` makes of its name what ``take`` puts to
    use. Both may block, and raise BundleError.

    What can't be opened is refused, in the log and in `streamer_model_refused`, and tried again
    later; what is in use, ``name`` to begin with, stays.
    """

    def __init__(
        self,
        name: str,
        named: Callable[[], str],
        open: Callable[[str], T],
        take: Callable[[T], None],
    ) -> None:
        self.name = name
        self._named, self._open, self._take = named, open, take
        self._refused: tuple[str, str] | None = None
        self._retry_at = 0.0

    async def run(self) -> None:
        """Looks for a change, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Takes what is named now, if that is not what is in use."""
        name = ""
        try:
            name = await asyncio.to_thread(self._named)
            if name == self.name:
                self._accept()
            elif self._is_due(name):
                self._put_to_use(name, await asyncio.to_thread(self._open, name))
        except BundleError as error:
            self._refuse(name, error)

    def _put_to_use(self, name: str, opened: T) -> None:
        before, self.name = self.name, name
        self._take(opened)
        self._accept()
        metrics.MODEL_SWAPS.labels("taken").inc()
        in_use(name, before)
        log.info("bundle taken", bundle=name, instead_of=before)

    def _is_due(self, name: str) -> bool:
        failed_before = self._refused is not None and self._refused[0] == name
        return not failed_before or time.monotonic() >= self._retry_at

    def _accept(self) -> None:
        if self._refused:
            metrics.MODEL_REFUSED.remove(self._refused[0])
            self._refused = None

    def _refuse(self, name: str, error: BundleError) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if self._refused != (name, str(error)):
            self._accept()
            self._refused = name, str(error)
            refuse(name, error, still_in_use=self.name)


def refuse(name: str, error: BundleError, **more: object) -> None:
    """Says loudly that a bundle can't be used."""
    metrics.MODEL_REFUSED.labels(name).set(1)
    metrics.MODEL_SWAPS.labels("refused").inc()
    log.error("bundle refused", bundle=name, error=str(error), **more)


def in_use(name: str, before: str = "") -> None:
    """Tells which bundle is in use, and that another one is not any more."""
    if before:
        metrics.MODEL_INFO.remove(before)
    metrics.MODEL_INFO.labels(name).set(1)
