"""Redis may be away or refuse for a while: a call is repeated until it is answered.

A script that Redis refuses has changed nothing: whether it may write is decided when it comes to
its first write, and holds for all that it writes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog
from redis.exceptions import (
    BusyLoadingError,
    ClusterError,
    MasterDownError,
    NoScriptError,
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
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
"""Errors of a server that is starting, full, failing over, handing over keys or out of reach. One
that has forgotten a script again, though it was just loaded, is failing over."""

_REFUSAL = re.compile(r"\b(BUSY|MISCONF|NOREPLICAS|OOM) ")
"""A script runs for too long, or nothing may be written: a snapshot has failed, there are too few
replicas, memory is full. These have no class of their own, the last within a script of Redis 6."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0


class Calling(Protocol):
    """A way to make a call of Redis."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T: ...


async def once(call: Callable[[], Awaitable[T]]) -> T:
    """For who would rather hear that Redis is away than wait for it."""
    return await call()


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Calls until Redis answers and does it. What is called must be safe to repeat.

    It does not give up by itself: events wait meanwhile, and the progress watch of the transport
    ends the process when that lasts too long.
    """
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await call()
        except (*TRANSIENT, ResponseError) as error:
            if not isinstance(error, TRANSIENT) and not _is_refusal(error):
                raise
            metrics.RETRIES.inc()
            told = "Redis does not answer, or refuses; trying again"
            log.warning(told, error=str(error), seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _is_refusal(error: ResponseError) -> bool:
    """By what the server said: a pipeline's error also quotes the command."""
    return bool(_REFUSAL.search(str(error).rpartition("caused error: ")[2]))
