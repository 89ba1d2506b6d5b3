"""Where the contestants of the pipeline benchmark meet: topics with real events, a fresh state."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from streamer.bench.journey import Journey
from streamer.bench.watch import Done
from streamer.broker import create_topics, describe
from streamer.embedded import Child
from streamer.errors import StreamerError
from streamer.publish import Publisher, Record
from streamer.replay.producing import producing
from streamer.settings import Settings
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.state.store import Store
from streamer.state.tally import tally
from streamer.topology import ITEM_SCORES, NEW_ITEMS, USER_BEHAVIOUR

RETENTION_DAYS = 1000.0
"""The events are years old; no item of theirs expires."""
PORTION_RECORDS = 5000
CATALOGUE_SECONDS = 120.0
Command = Sequence[str]
WORKER: Command = (sys.executable, "-m", "streamer", "worker")
NO_EVENTS, EVENTS = "bench-nothing", "bench-events"


@dataclass
class Workplace:
    """``settings`` name broker and Redis; every run has an output topic and a group of its own."""

    settings: Settings
    folder: Path
    data: Journey
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def fill(self) -> None:
        """Puts catalogue and events into their topics."""
        settings = self.with_topics(EVENTS, "bench-first")
        create_topics(settings)
        await self.send(NEW_ITEMS.name, self.data.catalogue)
        await self.send(EVENTS, self.data.records)

    async def send(self, topic: str, records: Sequence[Record]) -> None:
        async with producing(self.settings) as producer:
            publisher = Publisher(producer)
            for start in range(0, len(records), PORTION_RECORDS):
                await publisher.publish(topic, records[start : start + PORTION_RECORDS])

    def with_topics(self, events: str, scores: str, group: str | None = None) -> Settings:
        names = {USER_BEHAVIOUR.name: events, ITEM_SCORES.name: scores}
        update = {"topic_names": names, "group": group or self.settings.group}
        return self.settings.model_copy(update=update)

    async def fresh(self, events: str = EVENTS) -> Settings:
        """An empty Redis, and an output topic and a group that nobody has used."""
        number = next(self._numbers)
        settings = self.with_topics(events, f"bench-scores-{number}", f"bench-{number}")
        create_topics(settings)
        async with connected(settings) as client:
            await client.flushall()
        return settings

    async def learn_catalogue(self, settings: Settings) -> None:
        """Lets a worker take the catalogue into the state, before any event."""
        before = self.with_topics(NO_EVENTS, "bench-first", settings.group)
        create_topics(before)
        async with self.running(WORKER, before) as worker, asyncio.timeout(CATALOGUE_SECONDS):
            await self.wait_for(before, NEW_ITEMS.name, len(self.data.catalogue), worker)

    @asynccontextmanager
    async def counting(self, settings: Settings, topic: str) -> AsyncIterator[Done]:
        """Says how many of a topic's records the state has done with."""
        log = (await asyncio.to_thread(describe, settings.broker, [topic]))[topic].log
        async with connected(settings) as client:
            store = Store(client, Keys(settings.group, settings.shards), 0.0)

            async def done() -> int:
                return (await tally(store)).get(log, Counter[str]()).total()

            yield done

    async def wait_for(self, settings: Settings, topic: str, count: int, worker: Child) -> None:
        """Waits until the state has done with so many of a topic's records. Raises ChildFailed
        where the worker that is to do it has ended."""
        async with self.counting(settings, topic) as done:
            while await done() < count:
                if not worker.alive:
                    raise worker.ended()
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def running(
        self, command: Command, settings: Settings, **more: str
    ) -> AsyncIterator[Child]:
        """A process with these settings while the block runs, and ``more`` environment; told to
        stop at the end."""
        log = self.folder / f"{settings.group}.log"
        child = Child(settings.group, command, log, env={**environment(settings), **more})
        child.start()
        try:
            yield child
        finally:
            await asyncio.to_thread(child.stop)

    async def ended(self, child: Child, within_seconds: float) -> None:
        """Waits until a process ends by itself. Raises StreamerError."""
        deadline = time.monotonic() + within_seconds
        while child.alive:
            if time.monotonic() > deadline:
                raise StreamerError(f"{child.name} is not done after {within_seconds:.0f} s")
            await asyncio.sleep(0.1)


def environment(settings: Settings) -> dict[str, str]:
    """What gives a process of ours these settings."""
    return {
        "STREAMER_BROKER": settings.broker,
        "STREAMER_REDIS": settings.redis,
        "STREAMER_REDIS_CLUSTER": "false",
        "STREAMER_GROUP": settings.group,
        "STREAMER_TOPIC_NAMES": json.dumps(settings.topic_names),
        "STREAMER_ITEM_RETENTION_DAYS": str(settings.item_retention_days),
        "STREAMER_METRICS_PORT": str(settings.metrics_port),
        "STREAMER_LOG_LEVEL": "warning",
    }
