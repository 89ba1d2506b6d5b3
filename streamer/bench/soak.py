"""Claim: a worker's memory stays flat however long it works, and after a crash scores come at once.

One worker takes millions of events, told without a pause and never far ahead of it: real ones, lap
after lap (see laps.py), so that new items come up and old ones expire all the time. Once a second
its resident memory is looked at. In the end, events still waiting, it is killed and started again.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from pathlib import Path

import numpy as np

from streamer.bench.journey import journey
from streamer.bench.laps import Laps
from streamer.bench.restart import kill_and_restart
from streamer.bench.servers import servers
from streamer.bench.watch import Done
from streamer.bench.workplace import EVENTS, PORTION_RECORDS, WORKER, Workplace
from streamer.broker import create_topics
from streamer.embedded import Child
from streamer.errors import ConfigurationError, StreamerError
from streamer.publish import Publisher, Record
from streamer.replay.producing import producing
from streamer.report import Results
from streamer.scrape import memory_mb
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS

LAP_EVENTS = 1_000_000
AHEAD_EVENTS = 200_000
"""How many are told before the worker has done with them."""
WARM_SHARE = 0.1
"""Of all events; until then caches fill up."""
MILLION = 1_000_000
EMBEDDED_EVENTS = 3_000_000
"""More than this the embedded broker, which forgets nothing, can't hold in reasonable memory."""
KEPT = {"cleanup.policy": "delete", "retention.bytes": str(2**26), "segment.bytes": str(2**24)}
"""Of each partition; Kafka looks every few minutes whether there is more."""
LOOK_SECONDS, ASK_SECONDS = 1.0, 0.1
STILL_SECONDS = 120.0

Say = Callable[[str], None]
Progress = Callable[[int], None]
"""Told how many events are done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """So many events are looked at; what waits when the worker is killed comes on top."""

    events: int
    kafka: Path | None

    @property
    def warm_events(self) -> int:
        return int(WARM_SHARE * self.events)


@dataclass(frozen=True, slots=True)
class Look:
    """The worker at one moment: seconds since its first event, events done, MiB of memory."""

    seconds: float
    events: int
    memory_mb: float


@dataclass
class Reach:
    """How far the worker is, asked as often as told."""

    done: Done
    events: int = 0
    _moved: float = field(default_factory=time.monotonic)

    async def ask(self, child: Child) -> int:
        """Raises StreamerError where the worker has ended or does not get on."""
        events = await self.done()
        if events != self.events:
            self.events, self._moved = events, time.monotonic()
        if not child.alive:
            raise StreamerError(f"the worker ended with {child.exit_code}: {child.log_tail()}")
        if time.monotonic() - self._moved > STILL_SECONDS:
            raise StreamerError(f"nothing was done for {STILL_SECONDS:.0f} s: {child.log_tail()}")
        return events


def run(settings: Settings, plan: Plan, say: Say, progress: Progress) -> Results:
    """Raises ConfigurationError, DependencyMissing, StreamerError."""
    if not plan.kafka and plan.events > EMBEDDED_EVENTS:
        raise ConfigurationError(
            f"the embedded broker keeps everything in memory: for more than {EMBEDDED_EVENTS:,} "
            "events name a Kafka with --kafka"
        )
    broker = plan.kafka.name if plan.kafka else "embedded"
    results = Results("bench soak", {"events": plan.events, "broker": broker})
    laps = Laps(journey(min(plan.events, LAP_EVENTS)))
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as name:
        folder = Path(name)
        with servers(folder, plan.kafka) as (address, redis):
            update = {"broker": address, "redis": redis, "redis_cluster": False}
            place = Workplace(settings.model_copy(update=update), folder, laps.data)
            asyncio.run(_measure(place, laps, plan, results, progress))
    for row in results.rows:
        say(f"{row['name']:<40} {row['value']:>12,.2f} {row['unit']}")
    return results


async def _measure(
    place: Workplace, laps: Laps, plan: Plan, results: Results, progress: Progress
) -> None:
    create_topics(place.with_topics(EVENTS, "bench-scores-0"), KEPT)
    settings = await place.fresh()
    async with place.counting(settings, EVENTS) as done, place.running(WORKER, settings) as child:
        reach = Reach(done)
        feeding = asyncio.create_task(_feed(settings, laps, reach))
        try:
            looks = await _looks(reach, child, plan.events, feeding, progress)
            results.parameters["looks"] = [asdict(look) for look in looks]
            _tell_memory(results, looks, plan.warm_events)
            restart = await kill_and_restart(place, settings, child)
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
    results.add("soak.restart.assigned_to_first_score_seconds", restart.from_assigned, "s")
    results.add("soak.restart.process_to_first_score_seconds", restart.from_start, "s")


async def _feed(settings: Settings, laps: Laps, reach: Reach) -> None:
    """Tells lap after lap, for ever, never far ahead of what is done."""
    told = 0
    async with producing(settings) as producer:
        publisher = Publisher(producer)
        for lap in count():
            for some in _portions(laps.catalogue(lap)):
                await publisher.publish(settings.topic(NEW_ITEMS.name), some)
            for some in _portions(laps.events(lap)):
                while told - reach.events > AHEAD_EVENTS:  # noqa: ASYNC110
                    await asyncio.sleep(ASK_SECONDS)
                await publisher.publish(EVENTS, some)
                told += len(some)


def _portions(records: Iterator[Record]) -> Iterator[list[Record]]:
    while some := list(islice(records, PORTION_RECORDS)):
        yield some


async def _looks(
    reach: Reach, child: Child, wanted: int, feeding: asyncio.Task[None], progress: Progress
) -> list[Look]:
    """A look a second from the first event to the last that is wanted."""
    looks: list[Look] = []
    started = time.monotonic()
    next_look = started
    while reach.events < wanted:
        if feeding.done():
            feeding.result()
        events, now = await reach.ask(child), time.monotonic()
        progress(min(events, wanted))
        if not events:
            started = now
        elif now >= next_look:
            looks.append(Look(now - started, events, memory_mb(child.pid)))
            next_look = now + LOOK_SECONDS
        await asyncio.sleep(ASK_SECONDS)
    return looks


def _tell_memory(results: Results, looks: list[Look], warm_events: int) -> None:
    """Greatest memory in each million; what it does once caches are full."""
    for million, memory in by_million(looks).items():
        results.add(f"soak.memory_mb.million_{million + 1}", memory, "MiB")
    warm = [look for look in looks if look.events >= warm_events]
    results.add("soak.memory_greatest_to_least", spread(warm), "ratio")
    results.add("soak.memory_growth_mb_per_million", growth(warm), "MiB")
    first, last = warm[0], warm[-1]
    rate = (last.events - first.events) / (last.seconds - first.seconds)
    results.add("soak.events_per_second", rate, "events/s")


def by_million(looks: list[Look]) -> dict[int, float]:
    """The greatest memory in each million events, counted from 0. What is on its way comes and goes
    within a million."""
    greatest: dict[int, float] = {}
    for look in looks:
        million = look.events // MILLION
        greatest[million] = max(look.memory_mb, greatest.get(million, 0.0))
    return greatest


def spread(looks: list[Look]) -> float:
    """The greatest memory of a million over that of the million with the least."""
    memory = by_million(looks).values()
    return max(memory) / min(memory)


def growth(looks: list[Look]) -> float:
    """MiB by which memory grows with a million events, by least squares."""
    millions = np.array([look.events / MILLION for look in looks])
    memory = np.array([look.memory_mb for look in looks])
    return float(np.polyfit(millions, memory, 1)[0])
