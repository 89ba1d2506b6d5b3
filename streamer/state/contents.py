"""Values by content: what was computed once from a text, kept for whoever meets the text again.

It is a cache and no state: while Redis does not answer, nothing is known and nothing is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from redis.exceptions import RedisError

from streamer.settings import Settings
from streamer.state.connection import UNREACHABLE, BlockingClient, connect_blocking
from streamer.state.keys import content

log = structlog.get_logger(__name__)

AWAY_SECONDS = 5.0
"""How long nothing is asked of a Redis that has not answered."""


class Contents:
    """Values by key, each kept for ``seconds``. Calls block, and may come from several threads; a
    batch is one round trip (to each node of a cluster)."""

    def __init__(
        self, settings: Settings, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._milliseconds = max(1, int(1000 * seconds))
        self._monotonic = monotonic
        self._client: BlockingClient | None = None
        self._away_until: float | None = None

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None] | None:
        """The values, None for one that is not there; None in place of all if Redis does not
        answer."""
        return self._run([("GET", self._key(key)) for key in keys])

    def put_many(self, values: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether they were kept."""
        expiry = "PX", self._milliseconds
        return self._run([("SET", self._key(k), v, *expiry) for k, v in values]) is not None

    def _key(self, key: bytes) -> str:
        return content(self._settings.group, key)

    def _run(self, commands: Sequence[tuple[Any, ...]]) -> list[Any] | None:
        if self._away_until is not None and self._monotonic() < self._away_until:
            return None
        try:
            self._client = self._client or connect_blocking(self._settings)
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = pipeline.execute()
        except (*UNREACHABLE, RedisError) as error:
            self._missed(error)
            return None
        self._answered()
        return replies

    def _missed(self, error: Exception) -> None:
        if self._away_until is None:
            log.warning("no cache in Redis: texts are encoded that were before", error=str(error))
        self._away_until = self._monotonic() + AWAY_SECONDS

    def _answered(self) -> None:
        if self._away_until is not None:
            log.info("the cache in Redis is back")
        self._away_until = None
