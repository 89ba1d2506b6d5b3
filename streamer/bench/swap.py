"""Claim: the model is changed under load with nothing lost and nobody kept waiting.

Real events flow at a steady rate through one worker while a bundle and its copy take turns. A reader
of `item-scores` notes when each score comes and which model made it: how long after a promotion the
first score of the new model comes, how long until all items have one, and the longest silence around
a change beside the longest one in as much time without.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import msgspec

from streamer.bench.journey import journey
from streamer.bench.listening import listening
from streamer.bench.servers import servers
from streamer.bench.workplace import RETENTION_DAYS, WORKER, Workplace, environment
from streamer.embedded import Child
from streamer.errors import StreamerError
from streamer.publish import Publisher
from streamer.registry import active_name, bundles, promotion
from streamer.replay.producing import producing
from streamer.report import Results
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES, NEW_ITEMS, USER_BEHAVIOUR

COPY = "copy-of-the-one-in-use"
TICK_SECONDS = 0.01
WARM_SECONDS = 5.0
AROUND_SECONDS = 2.0
"""Silence counts for this long after a change, and for as long before it."""
LIMIT_SECONDS = 120.0
SWEEP_SECONDS = 90.0
"""Within which all items have a score of the new model: events must not end before."""

Say = Callable[[str], None]


class _Score(msgspec.Struct):
    item_id: str
    model: str


_decode = msgspec.msgpack.Decoder(_Score).decode


@dataclass(frozen=True, slots=True)
class Plan:
    """``rate`` records a second, a change every ``pause_seconds``."""

    rate: float
    swaps: int
    pause_seconds: float


@dataclass
class Heard:
    """When scores were read, by which model, and each item's latest."""

    at: list[float] = field(default_factory=list)
    first: dict[str, float] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)

    def take(self, values: list[bytes]) -> None:
        now = time.perf_counter()
        self.at.append(now)
        for score in map(_decode, values):
            self.first.setdefault(score.model, now)
            self.latest[score.item_id] = score.model

    def silence(self, start: float, end: float) -> float:
        """The longest time without a score between two moments."""
        return silence(self.at, start, end)


def silence(heard: Sequence[float], start: float, end: float) -> float:
    """The longest time between two moments in which nothing was heard."""
    inside = [start, *(at for at in heard if start < at < end), end]
    return max(b - a for a, b in itertools.pairwise(inside))


@dataclass(frozen=True, slots=True)
class Swap:
    """Seconds from the change to the first score of the new model and to the last item that has
    one, and the longest silences after and before it."""

    noticed: float
    everywhere: float
    silence: float
    silence_before: float


def run(settings: Settings, plan: Plan, say: Say) -> Results:
    """Changes the model as often as told. Raises DependencyMissing, StreamerError."""
    results = Results("bench swap", asdict(plan))
    data = journey(
        int(plan.rate * (LIMIT_SECONDS + plan.swaps * (plan.pause_seconds + SWEEP_SECONDS)))
    )
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as name:
        folder = Path(name)
        store = _store(folder / "models", settings.model_store)
        with servers(folder, None) as (address, redis):
            update = {"broker": address, "redis": redis, "redis_cluster": False}
            update |= {"item_retention_days": RETENTION_DAYS, "model_store": store}
            place = Workplace(settings.model_copy(update=update), folder, data)
            swaps, sent, applied = asyncio.run(_measure(place, store, plan, say))
    _told(results, swaps, sent, applied, say)
    return results


def _store(store: Path, origin: Path) -> Path:
    """A store of the run's own, with the bundle in use and a copy of it."""
    store.mkdir(parents=True)
    promotion.add(store, origin)
    bundles.place(store, COPY, bundles.files_of(store, active_name(store)))
    return store


async def _measure(
    place: Workplace, store: Path, plan: Plan, say: Say
) -> tuple[list[Swap], int, int]:
    settings = await place.fresh("bench-swap-events")
    await place.send(NEW_ITEMS.name, place.data.catalogue)
    await place.learn_catalogue(settings)
    child = Child(
        "worker",
        WORKER,
        place.folder / "worker.log",
        env={**environment(settings), "STREAMER_MODEL_STORE": str(store)},
    )
    heard = Heard()
    with child:
        async with listening(settings, ITEM_SCORES, heard.take):
            stop = asyncio.Event()
            playing = asyncio.create_task(_play(place, settings, plan.rate, stop))
            await until(lambda: bool(heard.at))
            await asyncio.sleep(WARM_SECONDS)
            swaps = [await _swap(store, heard, plan, say) for _ in range(plan.swaps)]
            stop.set()
            sent = await playing
            async with asyncio.timeout(LIMIT_SECONDS):
                await place.wait_for(settings, settings.topic(USER_BEHAVIOUR.name), sent, child)
            async with place.counting(settings, settings.topic(USER_BEHAVIOUR.name)) as done:
                return swaps, sent, await done()


async def _swap(store: Path, heard: Heard, plan: Plan, say: Say) -> Swap:
    """One change: to the copy, or back."""
    await asyncio.sleep(plan.pause_seconds)
    go_back = active_name(store) == COPY
    heard.first.clear()
    started = time.perf_counter()
    change = promotion.rollback(store) if go_back else promotion.promote(store, COPY)
    noticed = await until(lambda: heard.first.get(change.to, 0.0) > started) - started
    everywhere = await until(lambda: set(heard.latest.values()) == {change.to}) - started
    await asyncio.sleep(max(0.0, started + AROUND_SECONDS - time.perf_counter()))
    swap = Swap(
        noticed,
        everywhere,
        heard.silence(started, started + AROUND_SECONDS),
        heard.silence(started - AROUND_SECONDS, started),
    )
    say(
        f"{change.action}: first score after {noticed:.2f} s, all {len(heard.latest):,} items after "
        f"{everywhere:.2f} s, longest silence {swap.silence:.3f} s ({swap.silence_before:.3f} s before)"
    )
    return swap


async def until(seen: Callable[[], bool]) -> float:
    deadline = time.perf_counter() + LIMIT_SECONDS
    while not seen():
        if time.perf_counter() > deadline:
            raise StreamerError(f"nobody has followed the store within {LIMIT_SECONDS:.0f} s")
        await asyncio.sleep(TICK_SECONDS)
    return time.perf_counter()


async def _play(place: Workplace, settings: Settings, rate: float, stop: asyncio.Event) -> int:
    """Sends events at the rate until told to stop; returns how many."""
    topic, records, sent = settings.topic(USER_BEHAVIOUR.name), place.data.records, 0
    async with producing(settings) as producer:
        publisher, started = Publisher(producer), time.perf_counter()
        while not stop.is_set() and sent < len(records):
            some = records[sent : int((time.perf_counter() - started) * rate)]
            if some:
                await publisher.publish(topic, some)
            sent += len(some)
            await asyncio.sleep(TICK_SECONDS)
    return sent


def _told(results: Results, swaps: list[Swap], sent: int, applied: int, say: Say) -> None:
    noticed = [swap.noticed for swap in swaps]
    results.add("swap.first_score_seconds", median(noticed), "s")
    results.add("swap.first_score_seconds_max", max(noticed), "s")
    results.add("swap.all_items_seconds", median(swap.everywhere for swap in swaps), "s")
    results.add(
        "swap.longest_silence_seconds",
        max(swap.silence for swap in swaps),
        "s",
        peer="without_a_swap",
        peer_value=max(swap.silence_before for swap in swaps),
    )
    results.add("swap.events", sent, "events")
    results.add("swap.events_lost", sent - applied, "events")
    for row in results.rows:
        say(f"{row['name']:<32} {row['value']:>10,.3f} {row['unit']}")
