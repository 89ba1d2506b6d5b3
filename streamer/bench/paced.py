"""How long an event takes to its score, at a steady rate, as a reader of `item-scores` sees it.

Time counts from the moment an event is due, not from when it was sent, so a player that is held up
hides nothing; it ends when the first score that knows of the event has been read. An item's version
grows by one with each of its events, which says what a score knows of.
"""

from __future__ import annotations

import asyncio
import gc
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from streamer.bench.listening import listening
from streamer.bench.workplace import WORKER, Workplace
from streamer.embedded import Child
from streamer.errors import StreamerError
from streamer.publish import Publisher
from streamer.replay.producing import producing
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES, USER_BEHAVIOUR

TICK_SECONDS = 0.005
WARM_SECONDS = 3.0
QUIET_SECONDS = 1.0
"""Nothing read for this long, after everything is applied: all scores have been read."""
APPLIED_SECONDS = 60.0
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}

Due = tuple[str, float]
"""Item and time at which an event was due."""
Heard = tuple[str, int, float]
"""Item, version and time of a score that was read."""
Read = tuple[float, list[bytes]]
"""Scores, and when they were read; what they say is looked at when all is over."""


class _Score(msgspec.Struct):
    item_id: str
    version: int


_decode = msgspec.msgpack.Decoder(_Score).decode


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles in ms at a rate, over so many events."""

    events_per_second: float
    events: int
    quantiles_ms: dict[str, float]


async def latency(place: Workplace, rate: float, seconds: float) -> Latency:
    """What one worker, warm, takes at this rate; for a shorter time where the events don't last.
    Raises StreamerError."""
    settings = await place.fresh(f"bench-paced-{rate:.0f}")
    await place.learn_catalogue(settings)
    warm = min(int(rate * WARM_SECONDS), len(place.data.records) // 3)
    last = min(warm + int(rate * seconds), len(place.data.records))
    read: list[Read] = []
    taking = partial(_took, read)
    async with place.running(WORKER, settings) as worker, listening(settings, ITEM_SCORES, taking):
        gc.freeze()
        await _play(place, settings, worker, rate, range(warm))
        due = await _play(place, settings, worker, rate, range(warm, last))
        await _until_quiet(read)
    found = 1000 * np.quantile(waits(due, _heard(read)), list(QUANTILES.values()))
    quantiles = dict(zip(QUANTILES, np.round(found, 2).tolist(), strict=True))
    return Latency(rate, len(due), quantiles)


def waits(due: Sequence[Due], heard: Sequence[Heard]) -> list[float]:
    """Seconds from each event to the first score that knows of it, where the last score of an item
    knows of all. Raises StreamerError for an event whose item has no score."""
    versions, times = defaultdict[str, list[int]](list), defaultdict[str, list[float]](list)
    for item_id, version, at in heard:
        versions[item_id].append(version)
        times[item_id].append(at)
    found, later = [], Counter[str]()
    for item_id, at in reversed(due):
        if item_id not in versions:
            raise StreamerError(f"no score of {item_id} was read")
        needed = versions[item_id][-1] - later[item_id]
        later[item_id] += 1
        found.append(times[item_id][bisect_left(versions[item_id], needed)] - at)
    return found[::-1]


async def _play(
    place: Workplace, settings: Settings, worker: Child, rate: float, which: range
) -> list[tuple[str, float]]:
    """Sends these events at this rate and waits until they are applied; says when each was due."""
    topic, data = settings.topic(USER_BEHAVIOUR.name), place.data
    sent, sending = which.start, []
    async with producing(settings) as producer:
        publisher = Publisher(producer)
        started = time.perf_counter()
        while sent < which.stop:
            until = which.start + int((time.perf_counter() - started) * rate)
            some = data.records[sent : min(until, which.stop)]
            if some:
                sending.append(asyncio.create_task(publisher.publish(topic, some)))
            sent += len(some)
            await asyncio.sleep(TICK_SECONDS)
        await asyncio.gather(*sending)
    try:
        async with asyncio.timeout(APPLIED_SECONDS):
            await place.wait_for(settings, topic, which.stop, worker)
    except TimeoutError:
        raise StreamerError(
            f"not all events were applied {APPLIED_SECONDS:.0f} s after the last was sent"
        ) from None
    return [(data.events[i].item_id, started + (i - which.start) / rate) for i in which]


def _took(read: list[Read], values: list[bytes]) -> None:
    read.append((time.perf_counter(), values))


def _heard(read: Sequence[Read]) -> list[Heard]:
    return [
        (score.item_id, score.version, at) for at, values in read for score in map(_decode, values)
    ]


async def _until_quiet(read: list[Read]) -> None:
    seen = -1
    while len(read) != seen:
        seen = len(read)
        await asyncio.sleep(QUIET_SECONDS)
