"""A call waits for Redis to come back, and for nothing else."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import (
    BusyLoadingError,
    ClusterError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from streamer import patience
from streamer.patience import patiently


class ServerThatComesBack:
    """Raises what it is given, one after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_SECONDS", 1e-4)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE_SECONDS", 1e-3)


def test_a_server_that_is_away_or_takes_no_writes_is_asked_again() -> None:
    server = ServerThatComesBack(
        ConnectionError(),
        TimeoutError(),
        BusyLoadingError(),
        ReadOnlyError(),
        TryAgainError("a slot is being moved"),
        ClusterError("TTL exhausted."),
        OSError(),
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        ResponseError("Command # 1 (EVALSHA 1) of pipeline caused error: MISCONF Errors writing"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
    )
    assert asyncio.run(patiently(server)) == "answer"
    assert not server.errors


def test_any_other_error_is_raised_at_once() -> None:
    server = ServerThatComesBack(ResponseError("wrong"), ConnectionError())
    with pytest.raises(ResponseError, match="wrong"):
        asyncio.run(patiently(server))
    assert len(server.errors) == 1
