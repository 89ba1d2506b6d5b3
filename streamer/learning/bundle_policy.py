"""The lists that a bundle would have shown: Thompson sampling from its scores, as of every hour.

The log is replayed through the code that serves. At the beginning of each hour in which something
was shown, all launches that may be listed then are scored, and lists are drawn of them as
`launch.exploration` draws them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.embedded import valkey
from streamer.events import Behaviour, Encoding, NewItem
from streamer.judge import Judge
from streamer.launch.boards import listable
from streamer.launch.exploration import MAX_PLACES, chances, drawn
from streamer.learning.replay import Replay
from streamer.replay.record import TimedRecord
from streamer.scoring.predictor import Scores
from streamer.settings import Settings, load
from streamer.state.connection import connected
from streamer.state.features import ensure_kin
from streamer.state.keys import Keys
from streamer.state.reading import read_items
from streamer.state.store import Store

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Lists:
    """What would be shown in one hour: the ``items`` that come to some place, their ``logit``, and
    ``chance`` (items, places)."""

    items: dict[str, int]
    logit: Floats
    chance: Floats


@dataclass(frozen=True, slots=True)
class Course:
    """``judge`` scores; ``encode`` gives the encodings of an event's text (see `Replay`); ``shown``
    says in which hours, numbered from the epoch, how many places were filled."""

    judge: Judge
    encode: Callable[[Behaviour | NewItem], Iterable[Encoding]]
    shown: dict[int, int]
    launch_window_days: float
    seed: int = 0


def lists(
    records: Iterable[TimedRecord], course: Course, progress: Callable[[int], None]
) -> dict[int, Lists]:
    """The lists of every hour in which something was shown; ``progress`` is told how many records
    are replayed. Raises DependencyMissing."""
    with tempfile.TemporaryDirectory() as folder:
        server, url = valkey(Path(folder))
        with server:
            return asyncio.run(_collected(load(redis=url), records, course, progress))


async def _collected(
    settings: Settings,
    records: Iterable[TimedRecord],
    course: Course,
    progress: Callable[[int], None],
) -> dict[int, Lists]:
    async with connected(settings) as client:
        store = Store(client, Keys("replay", shards=1), user_retention_seconds=0)
        replay = Replay(store, lambda _: (), course.encode)
        return {hour: found async for hour, found in _hours(replay, records, course, progress)}


async def _hours(
    replay: Replay,
    records: Iterable[TimedRecord],
    course: Course,
    progress: Callable[[int], None],
) -> AsyncIterator[tuple[int, Lists]]:
    rng, done = np.random.default_rng(course.seed), 0
    launched: dict[str, float] = {}
    for hour, some in groupby(records, lambda record: int(record.time // STEP_SECONDS)):
        if hour in course.shown:
            yield hour, await _listed(replay, launched, hour, course, rng)
        now = list(some)
        async for _ in replay.run(now, lambda _: None):
            pass
        for event in _upserts(now):
            launched.setdefault(event.item_id, event.launched)
        done += len(now)
        progress(done)


async def _listed(
    replay: Replay, launched: dict[str, float], hour: int, course: Course, rng: np.random.Generator
) -> Lists:
    now, window = hour * STEP_SECONDS, course.launch_window_days
    ids = [i for i, time in launched.items() if now - window * 86400.0 <= time <= now]
    items = await read_items(replay.store, ids, replay.table)
    items = items.at(np.flatnonzero(listable(items.beside, now, window)).tolist())
    await ensure_kin(items, replay.kin, replay.store)
    scores = course.judge.judge(items, replay.kin, now).scores
    places = min(course.shown[hour], MAX_PLACES)
    return _chosen(items.ids, scores, places, rng)


def _chosen(ids: list[str], scores: Scores, places: int, rng: np.random.Generator) -> Lists:
    """The items that come to some place in lists drawn by these scores, and how often."""
    chance = np.zeros((len(ids), places))
    lists = drawn(scores.logit, scores.uncertainty, places, rng)
    chance[:, : lists.shape[1]] = chances(lists, len(ids))
    some = np.flatnonzero(chance.any(axis=1))
    names = {ids[place]: row for row, place in enumerate(some.tolist())}
    return Lists(names, scores.logit[some], chance[some])


def _upserts(records: list[TimedRecord]) -> Iterator[NewItem]:
    for record in records:
        if isinstance(record.value, NewItem) and record.value.type == "upsert":
            yield record.value
