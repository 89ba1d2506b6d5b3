"""The lists that a bundle would have shown: Thompson sampling from its scores, as of every hour.

The log is replayed through the code that serves. At the beginning of each hour in which something
was shown, all launches that may be listed then are scored, and lists are drawn of each board's best as
`streamer draw` draws them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.embedded import valkey
from streamer.events import Behaviour, Encoding, NewItem
from streamer.judge import Judge, Judged
from streamer.launch.boards import boards_of, listable
from streamer.launch.exploration import AMONG_ITEMS, MAX_PLACES, chances, drawn
from streamer.learning.replay import Replay
from streamer.replay.record import TimedRecord
from streamer.settings import Settings, load
from streamer.state.connection import connected
from streamer.state.features import ensure_kin
from streamer.state.keys import Keys
from streamer.state.reading import read_items
from streamer.state.store import Store

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP_SECONDS = 3600.0
Occasion = tuple[int, str]
"""An hour, numbered from the epoch, and a board of which something was shown in it."""


@dataclass(frozen=True, slots=True)
class Lists:
    """What would be shown of one board in one hour: the ``items`` that come to some place, their
    ``logit``, and ``chance`` (items, places)."""

    items: dict[str, int]
    logit: Floats
    chance: Floats


@dataclass(frozen=True, slots=True)
class Course:
    """``judge`` scores; ``encode`` gives the encodings of an event's text (see `Replay`); ``shown``
    says how many places were filled."""

    judge: Judge
    encode: Callable[[Behaviour | NewItem], Iterable[Encoding]]
    shown: Mapping[Occasion, int]
    launch_window_days: float
    seed: int = 0


def lists(
    records: Iterable[TimedRecord], course: Course, progress: Callable[[int], None]
) -> dict[Occasion, Lists]:
    """The lists of every occasion on which something was shown; ``progress`` is told how many records
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
) -> dict[Occasion, Lists]:
    async with connected(settings) as client:
        store = Store(client, Keys("replay", shards=1), user_retention_seconds=0)
        replay = Replay(store, lambda _: (), course.encode)
        return {at: found async for at, found in _occasions(replay, records, course, progress)}


async def _occasions(
    replay: Replay,
    records: Iterable[TimedRecord],
    course: Course,
    progress: Callable[[int], None],
) -> AsyncIterator[tuple[Occasion, Lists]]:
    rng, done = np.random.default_rng(course.seed), 0
    launched: dict[str, float] = {}
    boards = _boards_by_hour(course)
    for hour, some in groupby(records, lambda record: int(record.time // STEP_SECONDS)):
        if hour in boards:
            competing = await _competing(replay, launched, hour, course)
            for board in boards[hour]:
                places = min(course.shown[hour, board], MAX_PLACES)
                yield (hour, board), _chosen(competing, board, places, rng)
        now = list(some)
        async for _ in replay.run(now, lambda _: None):
            pass
        for event in _upserts(now):
            launched.setdefault(event.item_id, event.launched)
        done += len(now)
        progress(done)


def _boards_by_hour(course: Course) -> Mapping[int, list[str]]:
    boards: dict[int, list[str]] = defaultdict(list)
    for hour, board in course.shown:
        boards[hour].append(board)
    return boards


async def _competing(
    replay: Replay, launched: dict[str, float], hour: int, course: Course
) -> Judged:
    """The launches that may be listed at the beginning of an hour."""
    now, window = hour * STEP_SECONDS, course.launch_window_days
    ids = [i for i, time in launched.items() if now - window * 86400.0 <= time <= now]
    items = await read_items(replay.store, ids, replay.table)
    items = items.at(np.flatnonzero(listable(items.beside, now, window)).tolist())
    await ensure_kin(items, replay.kin, replay.store)
    return course.judge.judge(items, replay.kin, now)


def _chosen(judged: Judged, board: str, places: int, rng: np.random.Generator) -> Lists:
    """The items that come to some place in lists drawn of a board's best, and how often."""
    best = _best(judged, board)
    logit, uncertainty = (of[best] for of in (judged.scores.logit, judged.scores.uncertainty))
    chance = np.zeros((len(best), places))
    lists = drawn(logit, uncertainty, places, rng)
    chance[:, : lists.shape[1]] = chances(lists, len(best))
    some = np.flatnonzero(chance.any(axis=1))
    names = {judged.items.ids[best[place]]: row for row, place in enumerate(some.tolist())}
    return Lists(names, logit[some], chance[some])


def _best(judged: Judged, board: str) -> list[int]:
    """The places of a board's items among which lists are drawn; of equals the smaller id first."""
    all_known, ids = judged.items.known, judged.items.ids
    there = [
        at for at, known in enumerate(all_known) if known.facts and board in boards_of(known.facts)
    ]
    probability = judged.scores.probability
    return sorted(there, key=lambda at: (-probability[at], ids[at]))[:AMONG_ITEMS]


def _upserts(records: list[TimedRecord]) -> Iterator[NewItem]:
    for record in records:
        if isinstance(record.value, NewItem) and record.value.type == "upsert":
            yield record.value
