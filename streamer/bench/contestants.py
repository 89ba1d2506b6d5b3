"""Who takes part in the pipeline benchmark, and what each does with an event."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from streamer.bench.peers import FOLDER
from streamer.bench.watch import Done, Watch
from streamer.bench.workplace import EVENTS, WORKER, Command, Workplace
from streamer.errors import StreamerError
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES

KAFKA_STREAMS_SECONDS = 170.0
OURS, CEILING = "streamer", "bare_aiokafka"

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


def ceiling() -> Contestant:
    async def measure(place: Workplace, seconds: float) -> float:
        module = "streamer.bench.peers.bare_aiokafka"
        return await _with_state(place, seconds, (sys.executable, "-m", module, EVENTS))

    return Contestant(CEILING, "the same without Faust, ranking and sweep", measure)


def faust(mode: str, does: str) -> Contestant:
    async def measure(place: Workplace, seconds: float) -> float:
        settings = await place.fresh()
        command = (
            *(sys.executable, "-m", "streamer.bench.peers.faust_agent"),
            *(settings.broker, settings.redis, EVENTS, _target(settings), mode),
        )
        return await _one_output_an_event(place, seconds, settings, command)

    return Contestant(f"faust_{mode}", does, measure)


def quix_streams(python: str) -> Contestant:
    async def measure(place: Workplace, seconds: float) -> float:
        settings = await place.fresh()
        folder = str(place.folder / settings.group)
        script = str(FOLDER / "quix_streams.py")
        command = (python, script, settings.broker, EVENTS, _target(settings), folder)
        return await _one_output_an_event(place, seconds, settings, command)

    does = (
        "twelve decayed sums an item in RocksDB with a changelog, at least once, a score an event"
    )
    return Contestant("quix_streams", does, measure)


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


async def _with_state(place: Workplace, seconds: float, command: Command) -> float:
    """The rate of a process that keeps our state, which knows the catalogue already."""
    settings = await place.fresh()
    await place.learn_catalogue(settings)
    async with place.counting(settings, EVENTS) as done, place.running(command, settings):
        return await _watched(settings, done, len(place.data.records), seconds)


async def _one_output_an_event(
    place: Workplace, seconds: float, settings: Settings, command: Command
) -> float:
    async with place.running(command, settings):
        return await _watched(settings, None, len(place.data.records), seconds)


async def _watched(settings: Settings, done: Done | None, wanted: int, seconds: float) -> float:
    async with Watch(settings.broker, _target(settings), settings.partitions) as watch:
        return await watch.rate(done or watch.written, wanted, seconds)
