"""Claim: one worker takes events from a topic to scores faster than others take them to less.

The same real events wait in a topic; every contestant in turn reads them all, keeps state of each
item, scores and publishes. Ours and `bare_aiokafka` keep the whole state (some sixty fields an
item, distinct users, relatives, exactly once) and tell a score an item and chunk; the others keep
twelve decayed sums and tell a score an event.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from streamer.bench.contestants import (
    OURS,
    Contestant,
    ceiling,
    faust,
    kafka_streams,
    ours,
    quix_streams,
)
from streamer.bench.journey import journey
from streamer.bench.paced import latencies
from streamer.bench.peers import quix_streams_python
from streamer.bench.servers import servers
from streamer.bench.workplace import Workplace
from streamer.report import Results
from streamer.settings import Settings

RETENTION_DAYS = 1000.0
"""The events are years old; no item of theirs expires."""
PACED_SHARES = (0.1, 0.5, 0.8)
HALF_LOAD = 0.5

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for. A peer that is not done after ``seconds`` is measured so far."""

    events: int
    repetitions: int
    seconds: float
    paced_seconds: float
    kafka: Path | None
    kafka_streams: Path | None
    only: frozenset[str]

    def as_dict(self) -> dict[str, object]:
        return {
            "events": self.events,
            "repetitions": self.repetitions,
            "seconds": self.seconds,
            "broker": self.kafka.name if self.kafka else "embedded",
        }


def run(settings: Settings, plan: Plan, say: Say) -> Results:
    """Measures every contestant in turn, as often as told, and then ours at a steady rate."""
    results = Results("bench pipeline", {**plan.as_dict(), "partitions": settings.partitions})
    data = journey(plan.events)
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as name:
        folder = Path(name)
        with servers(folder, plan.kafka) as (address, redis):
            update = {"broker": address, "redis": redis, "redis_cluster": False}
            update |= {"item_retention_days": RETENTION_DAYS}
            place = Workplace(settings.model_copy(update=update), folder, data)
            asyncio.run(_measure(place, plan, results, say))
    return results


async def _measure(place: Workplace, plan: Plan, results: Results, say: Say) -> None:
    await place.fill()
    contestants = [
        c for c in _contestants(plan, place.folder, say) if not plan.only or c.name in plan.only
    ]
    for contestant in contestants:
        say(f"{contestant.name}: {contestant.does}")
    rates: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for _ in range(plan.repetitions):
        for contestant in contestants:
            rate = await contestant.measure(place, plan.seconds)
            rates[contestant.name].append(rate)
            say(f"{contestant.name:<40} {rate:>12,.0f} events/s")
    medians = {name: median(found) for name, found in rates.items()}
    mine = medians.pop(OURS)
    results.add("pipeline.events_per_second", mine, "events/s")
    for name, peer in medians.items():
        results.add("pipeline.events_per_second", mine, "events/s", peer=name, peer_value=peer)
        say(f"{mine / peer:>10.2f} × {name}")
    if plan.paced_seconds:
        await _paced(place, plan, mine, results, say)


async def _paced(place: Workplace, plan: Plan, most: float, results: Results, say: Say) -> None:
    for share in PACED_SHARES:
        found = await latencies(place, share * most, plan.paced_seconds)
        say(f"at {share:.0%} of that: {found}")
        for quantile, value in found.items():
            name = f"pipeline.latency_{quantile}_ms"
            results.add(name if share == HALF_LOAD else f"{name}.{share:.0%}", value, "ms")


def _contestants(plan: Plan, folder: Path, say: Say) -> Iterator[Contestant]:
    yield ours()
    yield ceiling()
    yield faust(
        "per_event", "an agent that is given events: GET, twelve sums, SET, send, each awaited"
    )
    yield faust("take", "the same, 500 at a time: one MGET, one MSET")
    if not plan.kafka:
        say("quix_streams: left out, its groups need a broker named with --kafka")
        say("kafka_streams: left out, its groups need a broker named with --kafka")
        return
    python = quix_streams_python(folder)
    if python:
        yield quix_streams(python)
    else:
        say("quix_streams: left out, pip can't install it")
    if plan.kafka_streams:
        for guarantee, store in (
            ("exactly_once_v2", "rocksdb"),
            ("exactly_once_v2", "memory"),
            ("at_least_once", "memory"),
        ):
            yield kafka_streams(plan.kafka_streams, guarantee, store)
    else:
        say("kafka_streams: left out, name its program with --kafka-streams")
