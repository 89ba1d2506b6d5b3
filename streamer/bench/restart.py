"""How long a worker that was killed takes to its first score once it is started again."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from streamer.bench.watch import Watch
from streamer.bench.workplace import WORKER, Workplace
from streamer.embedded import Child
from streamer.errors import StreamerError
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES

LOOK_SECONDS = 0.02
QUIET_SECONDS = 1.0
"""What a killed worker had sent has arrived by then."""
LIMIT_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Restart:
    """Seconds to the first score, from the moment the group gave the worker its partitions and
    from the start of the process; the latter waits until the broker has missed the dead one."""

    from_assigned: float
    from_start: float


async def kill_and_restart(place: Workplace, settings: Settings, worker: Child) -> Restart:
    """Kills a worker while events wait for it, and starts another. Raises StreamerError."""
    topic = settings.topic(ITEM_SCORES.name)
    async with Watch(settings.broker, topic, settings.partitions) as watch:
        worker.kill()
        await asyncio.sleep(QUIET_SECONDS)
        before = await watch.written()
        told = {"STREAMER_LOG_LEVEL": "info", "STREAMER_LOG_JSON": "true"}
        started = time.time()
        async with place.running(WORKER, settings, **told) as again:
            while await watch.written() == before:
                if not again.alive or time.time() - started > LIMIT_SECONDS:
                    raise StreamerError(f"no score after a restart: {again.log_tail()}")
                await asyncio.sleep(LOOK_SECONDS)
            first = time.time()
            return Restart(first - assigned_at(again.log), first - started)


def assigned_at(log: Path) -> float:
    """When a worker was last given its partitions, by its log of JSON lines. Raises StreamerError."""
    lines = log.read_text(errors="replace").splitlines()
    for line in reversed([line for line in lines if line.startswith("{")]):
        entry = json.loads(line)
        if entry.get("event") == "partitions assigned" and entry["partitions"]:
            return datetime.fromisoformat(entry["timestamp"]).timestamp()
    raise StreamerError(f"{log} tells of no partitions")
