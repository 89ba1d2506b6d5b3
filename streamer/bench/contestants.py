"""Who takes part in the pipeline benchmark, and what each does with an event."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from streamer.bench.peers import FOLDER
from streamer.bench.watch import Done, Watch
from streamer.bench.workplace import EVENTS, WORKER, Command, Workplace
from streamer.embedded import Child
from streamer.errors import StreamerError
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES

KAFKA_STREAMS_SECONDS = 170.0
OURS, TWO_PROCESSES, CEILING = "streamer", "two_processes", "bare_aiokafka"
SAME_JOB = "streamer_same_job"
TOGETHER_SHARE = 1 / 3
"""Of two processes the second joins while the first works; by then both do."""

Measure = Callable[[Workplace, float], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """``measure`` gives its events a second; ``does`` says what it does for that."""

    name: str
    does: str
    measure: Measure


def ours() -> Contestant:
    """A worker process as it comes."""

    async def measure(place: Workplace, seconds: float) -> float:
        return await _with_state(place, seconds, WORKER)

    does = (
        "worker process: whole state in Redis exactly once, P(success) with reasons an item and "
        "chunk, launch boards"
    )
    return Contestant(OURS, does, measure)


def two_processes() -> Contestant:
    """Two worker processes of one group. Counts from when a third is done."""

    async def measure(place: Workplace, seconds: float) -> float:
        return await _with_state(place, seconds, WORKER, processes=2)

    return Contestant(TWO_PROCESSES, "ours, two worker processes that share the topic", measure)


def ceiling() -> Contestant:
    async def measure(place: Workplace, seconds: float) -> float:
        module = "streamer.bench.peers.bare_aiokafka"
        return await _with_state(place, seconds, (sys.executable, "-m", module, EVENTS))

    does = "the same on bare aiokafka: fetches, batches, state and scores, no Faust, ranking, sweep"
    return Contestant(CEILING, does, measure)


def same_job() -> Contestant:
    """Ours, doing no more than the peers do."""

    async def measure(place: Workplace, seconds: float) -> float:
        settings = await place.fresh()
        command = (sys.executable, "-m", "streamer.bench.peers.same_job")
        return await _one_output_an_event(place, seconds, settings, command)

    does = (
        "our way of a batch, the peers' job: twelve decayed sums an item in Redis, exactly once, "
        "a score an event"
    )
    return Contestant(SAME_JOB, does, measure)


def faust(mode: str, does: str) -> Contestant:
    async def measure(place: Workplace, seconds: float) -> float:
        settings = await place.fresh()
        command = (
            *(sys.executable, "-m", "streamer.bench.peers.faust_agent"),
            *(settings.broker, settings.redis, EVENTS, _target(settings), mode),
        )
        return await _one_output_an_event(place, seconds, settings, command)

    return Contestant(f"faust_{mode}", does, measure)


def quix_streams(python: str, *, in_redis: bool = False) -> Contestant:
    async def measure(place: Workplace, seconds: float) -> float:
        settings = await place.fresh()
        folder = str(place.folder / settings.group)
        script = str(FOLDER / "quix_streams.py")
        command = (
            *(python, script, settings.broker, EVENTS, _target(settings), folder),
            *([settings.redis] if in_redis else []),
        )
        return await _one_output_an_event(place, seconds, settings, command)

    store = "Redis, one round trip an event" if in_redis else "RocksDB with a changelog"
    does = f"twelve decayed sums an item in {store}, at least once, a score an event"
    return Contestant("quix_streams_redis" if in_redis else "quix_streams", does, measure)


def pathway(python: Path) -> Contestant:
    """Takes its own word for how far it is: it tells a score an item and micro-batch."""

    async def measure(place: Workplace, seconds: float) -> float:
        settings = await place.fresh()
        script = str(FOLDER / "pathway.py")
        command = (str(python), script, settings.broker, EVENTS, _target(settings))
        async with place.running(command, settings) as child:

            async def done() -> int:
                return told(child.log)

            return await _watched(place, settings, done, seconds, child, after=1)

    does = "twelve decayed sums an item in memory, a score an item and micro-batch of 100 ms"
    return Contestant("pathway", does, measure)


def told(log: Path) -> int:
    """The last whole line of a log that is a number; 0 where there is none."""
    lines = log.read_text(errors="replace").split("\n")[:-1]
    return next((int(line) for line in reversed(lines) if line.isdecimal()), 0)


def kafka_streams(program: Path, guarantee: str, store: str) -> Contestant:
    """Takes its own word: the rate of the second half, when the JIT is warm."""

    async def measure(place: Workplace, seconds: float) -> float:
        settings = await place.fresh()
        arguments = (settings.broker, EVENTS, _target(settings), str(len(place.data.records)))
        folder = str(place.folder / settings.group)
        command = (str(program), *arguments, guarantee, store, folder)
        async with place.running(command, settings) as child:
            await place.ended(child, KAFKA_STREAMS_SECONDS)
        if child.exit_code:
            raise StreamerError(f"Kafka Streams ended with {child.exit_code}: {child.log_tail()}")
        return float(child.log_tail().split()[-1])

    short = guarantee.removesuffix("_v2")
    does = f"twelve decayed sums an item in {store} with a changelog, a score an event"
    return Contestant(f"kafka_streams_{short}_{store}", does, measure)


def _target(settings: Settings) -> str:
    return settings.topic(ITEM_SCORES.name)


async def _with_state(
    place: Workplace, seconds: float, command: Command, processes: int = 1
) -> float:
    """The rate of processes that keep our state, which knows the catalogue already."""
    settings = await place.fresh()
    await place.learn_catalogue(settings)
    async with AsyncExitStack() as running:
        done = await running.enter_async_context(place.counting(settings, EVENTS))
        children = [
            await running.enter_async_context(place.running(command, settings))
            for _ in range(processes)
        ]
        after = int(TOGETHER_SHARE * len(place.data.records)) if processes > 1 else 0
        return await _watched(place, settings, done, seconds, *children, after=after)


async def _one_output_an_event(
    place: Workplace, seconds: float, settings: Settings, command: Command
) -> float:
    async with place.running(command, settings) as child:
        return await _watched(place, settings, None, seconds, child)


async def _watched(
    place: Workplace,
    settings: Settings,
    done: Done | None,
    seconds: float,
    *children: Child,
    after: int = 0,
) -> float:
    """Raises StreamerError, also if a process ended before it was told to."""
    wanted = len(place.data.records)
    async with Watch(settings.broker, _target(settings), settings.partitions) as watch:
        try:
            return await watch.rate(done or watch.written, wanted, seconds, after)
        finally:
            for child in children:
                if not child.alive:
                    raise StreamerError(f"it ended with {child.exit_code}: {child.log_tail()}")
