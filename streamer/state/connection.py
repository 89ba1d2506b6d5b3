"""How Redis is reached: one server or a cluster, and what is raised when it does not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as NoAnswer

from streamer.errors import RedisUnavailable
from streamer.settings import Settings

Client = Redis | RedisCluster

TIMEOUT_SECONDS = 10.0
UNREACHABLE = (NoConnection, NoAnswer, OSError, RedisClusterException)


def connect(settings: Settings) -> Client:
    """A client that answers bytes. Nothing is sent before the first call."""
    kind: Any = RedisCluster if settings.redis_cluster else Redis
    client: Client = kind.from_url(
        settings.redis,
        decode_responses=False,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries=5),
    )
    return client


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Client]:
    """A client that has answered once, closed at the end. Raises RedisUnavailable."""
    client = connect(settings)
    try:
        try:
            await client.ping()
        except (*UNREACHABLE, RedisError) as error:
            raise RedisUnavailable(
                f"Redis at {without_password(settings.redis)} does not answer ({error}); "
                "start it or set STREAMER_REDIS"
            ) from None
        yield client
    finally:
        await client.aclose()


def without_password(url: str) -> str:
    scheme, _, rest = url.rpartition("//")
    return f"{scheme}//{rest.rpartition('@')[2]}"
