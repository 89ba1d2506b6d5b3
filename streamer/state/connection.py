"""How Redis is reached: one server or a cluster, and what is raised when it does not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as NoAnswer
from redis.retry import Retry as BlockingRetry

from streamer.errors import RedisUnavailable
from streamer.settings import Settings

Client = Redis | RedisCluster
BlockingClient = redis.Redis | redis.RedisCluster

TIMEOUT_SECONDS = 10.0
BLOCKING_TIMEOUT_SECONDS = 0.5
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


def connect_blocking(settings: Settings) -> BlockingClient:
    """A client for threads, for what can be done without: it waits briefly and tries once. In a
    cluster it asks for the nodes at once. Raises UNREACHABLE."""
    kind: Any = redis.RedisCluster if settings.redis_cluster else redis.Redis
    client: BlockingClient = kind.from_url(
        settings.redis,
        decode_responses=False,
        socket_timeout=BLOCKING_TIMEOUT_SECONDS,
        socket_connect_timeout=BLOCKING_TIMEOUT_SECONDS,
        retry=BlockingRetry(NoBackoff(), retries=0),
    )
    return client


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Client]:
    """A client that has answered once, closed at the end. Raises RedisUnavailable, also where Redis
    goes within the block and nobody there waits for it."""
    client = connect(settings)
    try:
        try:
            await client.ping()
        except (*UNREACHABLE, RedisError) as error:
            raise _unavailable(settings, error) from None
        try:
            yield client
        except (NoConnection, NoAnswer, RedisClusterException) as error:
            raise _unavailable(settings, error) from None
    finally:
        await client.aclose()


def _unavailable(settings: Settings, error: Exception) -> RedisUnavailable:
    return RedisUnavailable(
        f"Redis at {without_password(settings.redis)} does not answer ({error}); "
        "start it or set STREAMER_REDIS"
    )


def without_password(url: str) -> str:
    scheme, _, rest = url.rpartition("//")
    return f"{scheme}//{rest.rpartition('@')[2]}"
