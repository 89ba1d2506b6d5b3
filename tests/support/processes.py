"""The project's own commands as real processes: one group with topics of its own on shared servers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

import streamer
from streamer.broker import create_topics
from streamer.settings import Settings
from streamer.supervisor import Process, Supervisor
from streamer.topology import TOPICS
from streamer.window import Window

REPOSITORY = Path(streamer.__file__).parents[1]
READY_SECONDS = 90.0
HARD_LIMIT_SECONDS = 120.0
"""No test waits longer than this for anything; none asserts how long it took."""


def own_group(broker_address: str, redis_url: str, **more: object) -> Settings:
    """Settings of a group that shares servers with others but no topic and no key; its topics
    exist."""
    tag = uuid.uuid4().hex[:8]
    given: dict[str, Any] = {
        "broker": broker_address,
        "redis": redis_url,
        "group": f"group-{tag}",
        "topic_names": {topic.name: f"{topic.name}-{tag}" for topic in TOPICS},
        "partitions": 2,
        "shards": 4,
        "model_store": REPOSITORY / "model_store",
        "rank_interval_seconds": 0.2,
        "session_timeout_seconds": 3.0,
        **more,
    }
    settings = Settings(**given)
    create_topics(settings)
    return settings


def environment(settings: Settings) -> dict[str, str]:
    """The settings that differ from the defaults, as a process takes them."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        f"STREAMER_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in values.items()
    }


@contextmanager
def running(
    settings: Settings, folder: Path, *roles: str, ready: bool = True, **more: str
) -> Iterator[list[Process]]:
    """Runs a command of each role until the end of the block; ``more`` is environment."""
    with Supervisor(folder) as supervisor:
        found = []
        for number, role in enumerate(roles):
            port = settings.web_port if role == "web" else None
            name = f"{role}-{number}"
            found.append(
                supervisor.start(name, role.split(), {**environment(settings), **more}, port)
            )
        if ready:
            supervisor.wait_until_ready(READY_SECONDS)
        yield found


def call(
    settings: Settings | None, folder: Path, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """`streamer ARGUMENTS…` to its end, from a folder without a .env."""
    given = environment(settings) if settings else {}
    return subprocess.run(
        [sys.executable, "-m", "streamer", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **given, **more},
        capture_output=True,
        text=True,
        timeout=HARD_LIMIT_SECONDS,
        check=False,
    )


def said(settings: Settings, folder: Path, *arguments: str) -> Any:
    """What a command that must succeed prints as JSON."""
    done = call(settings, folder, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def metric(ports: Iterable[int], name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry these labels, over processes."""
    total = 0.0
    for port in ports:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            total += sum(
                sample.value
                for sample in family.samples
                if sample.name == name and labels.items() <= sample.labels.items()
            )
    return total


async def until(seen: Callable[[], Awaitable[bool]], what: str) -> None:
    """Waits until it is so. Fails after the hard limit."""
    deadline = time.monotonic() + HARD_LIMIT_SECONDS
    while not await seen():
        assert time.monotonic() < deadline, f"still not so: {what}"
        await asyncio.sleep(0.1)


def wait_until(seen: Callable[[], bool], what: str) -> None:
    """The same for what is not asynchronous."""
    deadline = time.monotonic() + HARD_LIMIT_SECONDS
    while not seen():
        assert time.monotonic() < deadline, f"still not so: {what}"
        time.sleep(0.05)


def ready(port: int) -> bool:
    """Whether the process that tells its status there is ready."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def handled(window: Window, records: int) -> None:
    """Waits until this many input records are counted, applied or not."""

    async def enough() -> bool:
        return sum(c.total() for c in (await window.tally()).values()) >= records

    await until(enough, f"{records} records counted")


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def children(pid: int) -> list[int]:
    """Every process below this one."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(folder.name)] = int(fields[1])
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]
