"""Redis may be away for a while: a call is repeated until it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog
from redis.exceptions import (
    BusyLoadingError,
    ClusterError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from streamer import metrics
from streamer.state.connection import UNREACHABLE

log = structlog.get_logger(__name__)

T = TypeVar("T")

TRANSIENT = (
    *UNREACHABLE,
    BusyLoadingError,
    ClusterError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
"""Errors of a server that is starting, full, failing over, handing over keys or out of reach."""
_WRITES_REFUSED = ("MISCONF", "NOREPLICAS")
"""Errors of one that takes no writes, as its disk is full or its replicas are away. A script is
refused as a whole, at its first write."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0


class Calling(Protocol):
    """A way to make a call of Redis."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T: ...


async def once(call: Callable[[], Awaitable[T]]) -> T:
    """For who would rather hear that Redis is away than wait for it."""
    return await call()


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Calls until Redis answers. What is called must be safe to repeat.

    It does not give up by itself: events wait meanwhile, and the progress watch of the transport
    ends the process when that lasts too long.
    """
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await call()
        except (*TRANSIENT, ResponseError) as error:
            if not _passes(error):
                raise
            metrics.RETRIES.inc()
            log.warning(
                "Redis does not answer or refuses; trying again", error=str(error), seconds=pause
            )
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _passes(error: Exception) -> bool:
    return isinstance(error, TRANSIENT) or any(word in str(error) for word in _WRITES_REFUSED)
