"""Claim: one worker takes events from a topic to scores faster than others take them to less.

The same real events wait in a topic; every contestant in turn reads them all, keeps state of each
item, scores and publishes. Ours and `bare_aiokafka` keep the whole state (some sixty fields an
item, distinct users, relatives, exactly once), validate events, drop duplicates and tell a score an
item and chunk. The others keep twelve decayed sums (`faust_per_event`: three plain counters) and
tell a score an event (`pathway`: an item and micro-batch); of an event they check at most the types.
So that like is compared with like as well, `streamer_same_job` does with our transport, batches and
scripts what these others do.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import median

from streamer.bench.contestants import (
    CEILING,
    OURS,
    SAME_JOB,
    TWO_PROCESSES,
    Contestant,
    ceiling,
    faust,
    kafka_streams,
    ours,
    pathway,
    quix_streams,
    same_job,
    two_processes,
)
from streamer.bench.journey import journey
from streamer.bench.paced import Latency, latency
from streamer.bench.peers import has_pathway, quix_streams_python
from streamer.bench.plot import draw, drawable
from streamer.bench.servers import servers
from streamer.bench.workplace import RETENTION_DAYS, Workplace
from streamer.errors import ConfigurationError
from streamer.report import Results, writable
from streamer.settings import Settings

PACED_SHARES = (0.1, 0.5, 0.8)
HALF_LOAD = 0.5
LINE_CHARACTERS = 300

Say = Callable[[str], None]
Peer = tuple[str, Callable[[], Contestant | str]]
"""A name, and what makes the contestant or says why it can't take part."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for. A peer that is not done after ``seconds`` is measured so far."""

    events: int
    repetitions: int
    seconds: float
    paced_seconds: float
    kafka: Path | None
    kafka_streams: Path | None
    pathway: Path | None
    plot: Path | None
    only: frozenset[str]

    def as_dict(self) -> dict[str, object]:
        return {
            "events": self.events,
            "repetitions": self.repetitions,
            "seconds": self.seconds,
            "broker": self.kafka.name if self.kafka else "embedded",
        }


def run(settings: Settings, plan: Plan, say: Say) -> Results:
    """Measures every contestant in turn, as often as told, and then ours at a steady rate. Raises
    ConfigurationError, DependencyMissing."""
    if plan.plot:
        if not plan.paced_seconds:
            raise ConfigurationError("--plot draws what --paced-seconds 0 leaves out")
        drawable()
        writable(plan.plot)
    names = [name for name, _ in _peers(plan, Path())]
    if unknown := sorted(plan.only - set(names)):
        raise ConfigurationError(f"no peer {', '.join(unknown)}; there are: {', '.join(names)}")
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
    contestants = list(chosen(plan, place.folder, say))
    for contestant in contestants:
        say(f"{contestant.name}: {contestant.does}")
    rates = await measured(contestants, place, plan, say)
    results.parameters["measured_events_per_second"] = rates
    mine = _compared({name: median(found) for name, found in rates.items()}, results, say)
    if plan.paced_seconds:
        await _paced(place, plan, mine, results, say)


async def measured(
    contestants: list[Contestant], place: Workplace, plan: Plan, say: Say
) -> dict[str, list[float]]:
    """The rates of each; every repetition runs all of them once. One that fails is left out, but
    for ours, whose error is raised."""
    rates: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for _ in range(plan.repetitions):
        for contestant in contestants:
            if contestant.name not in rates:
                continue
            try:
                rate = await contestant.measure(place, plan.seconds)
            except Exception as error:
                if contestant.name == OURS:
                    raise
                del rates[contestant.name]
                say(_left_out(contestant.name, str(error) or type(error).__name__))
                continue
            rates[contestant.name].append(round(rate, 1))
            say(f"{contestant.name:<40} {rate:>12,.0f} events/s")
    return rates


def _compared(medians: dict[str, float], results: Results, say: Say) -> float:
    """Adds the rows of all rates; returns ours."""
    mine = medians.pop(OURS)
    results.add("pipeline.events_per_second", mine, "events/s")
    if two := medians.pop(TWO_PROCESSES, None):
        name = f"pipeline.events_per_second.{TWO_PROCESSES}"
        results.add(name, two, "events/s", peer="one_process", peer_value=mine)
        say(f"{two / mine:>10.2f} × one process, with two")
    for name, peer in medians.items():
        results.add("pipeline.events_per_second", mine, "events/s", peer=name, peer_value=peer)
        say(f"{mine / peer:>10.2f} × {name}")
    if same := medians.pop(SAME_JOB, None):
        for name, peer in medians.items():
            if name != CEILING:
                row = f"pipeline.events_per_second.{SAME_JOB}"
                results.add(row, same, "events/s", peer=name, peer_value=peer)
                say(f"{same / peer:>10.2f} × {name}, doing the same job")
    return mine


async def _paced(place: Workplace, plan: Plan, most: float, results: Results, say: Say) -> None:
    curve: list[Latency] = []
    for share in PACED_SHARES:
        found = await latency(place, share * most, plan.paced_seconds)
        curve.append(found)
        told = ", ".join(f"{name} {value:,.1f} ms" for name, value in found.quantiles_ms.items())
        say(f"event to score at {share:.0%} of that, {found.events:,} events: {told}")
        for quantile, value in found.quantiles_ms.items():
            name = f"pipeline.latency_{quantile}_ms"
            results.add(name if share == HALF_LOAD else f"{name}.{share:.0%}", value, "ms")
    if plan.plot:
        draw(curve, most, plan.plot)


def chosen(plan: Plan, folder: Path, say: Say) -> Iterator[Contestant]:
    """Ours, and those of the peers that were asked for and are here; says which are not."""
    yield ours()
    for name, make in _peers(plan, folder):
        if plan.only and name not in plan.only:
            continue
        made = make()
        if isinstance(made, Contestant):
            yield made
        else:
            say(_left_out(name, made))


def _left_out(name: str, why: str) -> str:
    return f"{name}: left out, {' '.join(why.split())[:LINE_CHARACTERS]}"


def _peers(plan: Plan, folder: Path) -> Iterator[Peer]:
    yield TWO_PROCESSES, two_processes
    yield CEILING, ceiling
    yield SAME_JOB, same_job
    each = "an agent that is given events: three plain counters in one MULTI, score, send"
    yield "faust_per_event", partial(faust, "per_event", each)
    together = "an agent that is given 500 events: MGET, twelve decayed sums an item, MSET, sends"
    yield "faust_take", partial(faust, "take", together)
    for name, make in _with_groups_of_librdkafka(plan, folder):
        if plan.kafka:
            yield name, make
        else:
            yield name, lambda: "its groups need a broker named with --kafka"


def _with_groups_of_librdkafka(plan: Plan, folder: Path) -> Iterator[Peer]:
    """Those whose groups the embedded broker does not serve: librdkafka's and Java's."""
    python = cache(lambda: quix_streams_python(folder))
    for name, in_redis in (("quix_streams", False), ("quix_streams_redis", True)):
        yield name, partial(_quix_streams, python, in_redis)
    yield "pathway", partial(_pathway, plan.pathway)
    for guarantee, store in (
        ("exactly_once_v2", "rocksdb"),
        ("exactly_once_v2", "memory"),
        ("at_least_once", "memory"),
    ):
        name = f"kafka_streams_{guarantee.removesuffix('_v2')}_{store}"
        yield name, partial(_kafka_streams, plan.kafka_streams, guarantee, store)


def _quix_streams(python: Callable[[], str | None], in_redis: bool) -> Contestant | str:
    found = python()
    return quix_streams(found, in_redis=in_redis) if found else "pip can't install it"


def _pathway(python: Path | None) -> Contestant | str:
    if not python:
        return "name the Python of an environment with pathway and msgpack with --pathway"
    return pathway(python) if has_pathway(python) else f"{python} can't import pathway and msgpack"


def _kafka_streams(program: Path | None, guarantee: str, store: str) -> Contestant | str:
    if not program:
        return "name its program with --kafka-streams"
    return kafka_streams(program, guarantee, store)
