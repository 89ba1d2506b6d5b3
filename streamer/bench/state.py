"""Claim: a chunk of 1,000 events in one script call a shard outruns Redis written event by event.

Ours takes real events all the way into the state: rows, deltas, both phases on all shards, and the
answers back as arrays. The peers are redis-py as it is ordinarily written: counters of the event's
item, awaited command by command, or in one MULTI an event. They keep less than ours does (no decay,
no distinct users, no relatives, no protection against double counting). What ours takes for twelve
decayed sums an item alone, as the pipeline's peers keep them, by the same script and exactly once,
is measured as the same job.

And: an event costs the same whether the store has ten thousand items or two million, where the
worker has them at hand; with the memory that settings allow it, most of many are read first, and
that is measured under the plain name.

Both are measured with chunks as large as a worker's, too, under names that say so.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from streamer.bench.item_memory import bytes_per_item, file_all
from streamer.bench.journey import Journey, journey
from streamer.bench.peers.sums import Rows, Sums
from streamer.embedded import valkey
from streamer.events import Behaviour
from streamer.report import Results
from streamer.settings import Settings
from streamer.state.batch import Batch, Range
from streamer.state.birth import Extent, open_logs
from streamer.state.columns import Pseudonyms
from streamer.state.connection import Client, connected
from streamer.state.items import apply_items
from streamer.state.keys import Keys
from streamer.state.kin import KinTable
from streamer.state.relatives import apply_kin
from streamer.state.store import Store
from streamer.state.table import ITEM_BYTES, ItemTable
from streamer.state.tally import tally
from streamer.wire import new_items

LANES = 2
"""Partitions that are applied side by side: while Redis works for one, the other is aggregated."""
CLAIMED_CHUNK_RECORDS = 1_000
_CATALOGUE, _BEHAVIOUR = "bench-items", "bench-behaviour"

SIZED_EVENTS = 200_000
"""Events that are measured at each size of the store."""
USERS = 100_000
START = 1_700_000_000.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for; ``sizes`` are numbers of items in the store."""

    events: int
    naive_events: int
    repetitions: int
    sizes: tuple[int, ...]


def run(settings: Settings, plan: Plan, say: Say) -> Results:
    """Measures ours and the peers in turn, on a Valkey of its own with an append-only file; then
    ours at every size of the store."""
    parameters = {**asdict(plan), "chunk_max_records": settings.chunk_max_records}
    results = Results("bench state", {**parameters, "shards": settings.shards})
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as folder:
        server, url = valkey(Path(folder), append_only=True)
        with server:
            settings = settings.model_copy(update={"redis": url, "redis_cluster": False})
            asyncio.run(_measure(settings, journey(plan.events), plan, results, say))
    if plan.sizes:
        asyncio.run(_grow(settings, plan.sizes, results, say))
    return results


def _chunk_sizes(settings: Settings) -> list[int]:
    """That of the claim, and a worker's."""
    return list(dict.fromkeys((CLAIMED_CHUNK_RECORDS, settings.chunk_max_records)))


def _name(name: str, chunk_records: int) -> str:
    return name if chunk_records == CLAIMED_CHUNK_RECORDS else f"{name}.chunks_of_{chunk_records}"


def _line(row: dict[str, object], chunk_records: int | None = None) -> str:
    chunks = f" in chunks of {chunk_records:,}" if chunk_records else ""
    peer = f"   {row['ratio']:.1f} × {row['peer']}" if "peer" in row else ""
    return f"{row['name']:<56} {row['value']:>12,.0f} {row['unit']}{chunks}{peer}"


async def _grow(settings: Settings, sizes: Sequence[int], results: Results, say: Say) -> None:
    """Events a second on items drawn evenly from stores of these sizes, one after the other and
    each on a Valkey of its own, without the append-only file."""
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="streamer-bench-") as folder:
            server, url = valkey(Path(folder))
            with server:
                update = {"redis": url, "redis_cluster": False}
                async with connected(settings.model_copy(update=update)) as client:
                    ours = _Ours(client, settings)
                    ours.table = ItemTable(max(settings.item_cache_max_bytes, size * ITEM_BYTES))
                    await ours.begin(Journey([], [], []))
                    await ours.fill(size, say)
                    name = f"state.events_per_second.items_{size}"
                    if size * ITEM_BYTES > settings.item_cache_max_bytes:
                        await _draw(ours, size, f"{name}.at_hand", results, say)
                        ours.table = ItemTable(settings.item_cache_max_bytes)
                    await _draw(ours, size, name, results, say)


async def _draw(ours: _Ours, size: int, name: str, results: Results, say: Say) -> None:
    for chunk_records in _chunk_sizes(ours.settings):
        ours.chunk_records = chunk_records
        chunks = -(-SIZED_EVENTS // chunk_records)
        rate = await _rate(ours.draw(size, chunks), chunks * chunk_records)
        results.add(_name(name, chunk_records), rate, "events/s")
        say(_line(results.rows[-1], chunk_records))


async def _measure(
    settings: Settings, data: Journey, plan: Plan, results: Results, say: Say
) -> None:
    ours: dict[int, list[float]] = {chunk_records: [] for chunk_records in _chunk_sizes(settings)}
    awaited: list[float] = []
    transactions: list[float] = []
    same_job: list[float] = []
    sizes: list[float] = []
    some = data.events[: plan.naive_events]
    async with connected(settings) as client:
        for _ in range(plan.repetitions):
            for rates, keep in ((awaited, _awaited), (transactions, _transactions)):
                await client.flushall()
                rates.append(await _rate(keep(client, some), len(some)))
            await client.flushall()
            summing = await _Summing.begun(client, settings)
            same_job.append(await _rate(summing.apply(data.events), len(data.events)))
            for chunk_records, rates in ours.items():
                await client.flushall()
                replayed = _Ours(client, settings)
                await replayed.begin(data)
                replayed.chunk_records = chunk_records
                rates.append(await _rate(replayed.apply(data.events), len(data.events)))
                await replayed.check(data.events)
            await file_all(replayed.store)
            sizes.append(await bytes_per_item(replayed.store))
    peers = {"redis_py_awaited": median(awaited), "redis_py_multi": median(transactions)}
    for chunk_records, rates in ours.items():
        name = _name("state.events_per_second", chunk_records)
        for peer, value in peers.items():
            results.add(name, median(rates), "events/s", peer=peer, peer_value=value)
            say(_line(results.rows[-1], chunk_records))
    results.add("state.same_job_events_per_second", median(same_job), "events/s")
    say(_line(results.rows[-1], CLAIMED_CHUNK_RECORDS))
    results.add("state.bytes_per_item", median(sizes), "bytes")
    say(_line(results.rows[-1]))


async def _rate(work: Awaitable[None], count: int) -> float:
    started = time.perf_counter()
    await work
    return count / (time.perf_counter() - started)


def _increments(event: Behaviour) -> list[tuple[str, str, float]]:
    key = f"item:{event.item_id}"
    return [
        (key, event.type, 1.0),
        (key, "quantity", event.quantity),
        (key, "value", event.value or 0.0),
    ]


async def _awaited(client: Client, events: Sequence[Behaviour]) -> None:
    for event in events:
        for key, field, amount in _increments(event):
            await client.hincrbyfloat(key, field, amount)


async def _transactions(client: Client, events: Sequence[Behaviour]) -> None:
    for event in events:
        async with client.pipeline(transaction=True) as pipeline:
            for key, field, amount in _increments(event):
                pipeline.hincrbyfloat(key, field, amount)
            await pipeline.execute()


async def _in_lanes(
    events: Sequence[Behaviour],
    chunk_records: int,
    apply: Callable[[int, int, Sequence[Behaviour]], Awaitable[None]],
) -> None:
    """Each lane takes its share of the events, chunk after chunk; ``apply`` is told the lane and
    where in it the chunk begins."""

    async def lane(number: int, mine: Sequence[Behaviour]) -> None:
        for start in range(0, len(mine), chunk_records):
            await apply(number, start, mine[start : start + chunk_records])

    await asyncio.gather(*(lane(number, events[number::LANES]) for number in range(LANES)))


@dataclass(slots=True)
class _Summing:
    """A store of twelve sums an item, which is given chunks of the claim's size."""

    store: Store
    sums: Sums
    turn: asyncio.Lock

    @classmethod
    async def begun(cls, client: Client, settings: Settings) -> _Summing:
        store = Store(client, Keys(settings.group, settings.shards), 0.0)
        lanes = [
            Extent(_BEHAVIOUR, lane, _BEHAVIOUR, None, 0, 2**53, ("i",)) for lane in range(LANES)
        ]
        await open_logs(store, lanes)
        return cls(store, Sums(store), asyncio.Lock())

    async def apply(self, events: Sequence[Behaviour]) -> None:
        await _in_lanes(events, CLAIMED_CHUNK_RECORDS, self._chunk)

    async def _chunk(self, lane: int, start: int, events: Sequence[Behaviour]) -> None:
        ranges = [Range.holding(_BEHAVIOUR, start, partition=lane, behaviour=events)]
        rows = Rows.of([events], ranges, self.store.keys)
        async with self.turn:
            await self.sums.apply(ranges, rows)


class _Ours:
    """A store that is fed as a worker feeds it."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client, self.settings = client, settings
        keys = Keys(settings.group, settings.shards)
        self.store = Store(client, keys, settings.user_retention_days * 86400)
        self.table, self.kin = ItemTable(settings.item_cache_max_bytes), KinTable()
        self._items_turn, self._kin_turn = asyncio.Lock(), asyncio.Lock()
        self.pseudonyms = Pseudonyms("bench")
        self.chunk_records = settings.chunk_max_records
        self._next = [0] * LANES
        self._rngs = [np.random.default_rng(lane) for lane in range(LANES)]

    async def begin(self, data: Journey) -> None:
        """A store that knows the catalogue."""
        logs = [(_CATALOGUE, 0), *((_BEHAVIOUR, lane) for lane in range(LANES))]
        await open_logs(self.store, [Extent(log, p, log, None, 0, 2**53) for log, p in logs])
        items = [new_items.decode(value) for _, value in data.catalogue]
        for start in range(0, len(items), self.chunk_records):
            some = items[start : start + self.chunk_records]
            await self._apply(Range.holding(_CATALOGUE, start, catalogue=some))

    async def apply(self, events: Sequence[Behaviour]) -> None:
        await _in_lanes(events, self.chunk_records, lambda lane, _, some: self._chunk(lane, some))

    async def _chunk(self, lane: int, events: Sequence[Behaviour]) -> None:
        start = self._next[lane]
        self._next[lane] += len(events)
        await self._apply(Range.holding(_BEHAVIOUR, start, partition=lane, behaviour=events))

    async def _apply(self, some: Range) -> None:
        """As a worker does it: the phases of batches overlap, each is passed by one at a time."""
        batch = Batch.of([some], self.store.keys, self.pseudonyms)
        async with self._items_turn:
            applied = await apply_items(self.store, batch, self.table)
        async with self._kin_turn:
            await apply_kin(self.store, batch, applied, self.kin)

    async def fill(self, size: int, say: Say) -> None:
        """So many items, each with one event."""
        for start in range(0, size, self.chunk_records):
            numbers = range(start, min(size, start + self.chunk_records))
            await self._chunk(0, [_drawn(n, n) for n in numbers])
            if start % (100 * self.chunk_records) == 0:
                say(f"filling: {start:,} of {size:,} items")

    async def draw(self, size: int, chunks: int) -> None:
        """So many chunks of events, each event of an item drawn evenly."""

        async def lane(number: int) -> None:
            rng = self._rngs[number]
            for _ in range(number, chunks, LANES):
                items = rng.integers(size, size=self.chunk_records)
                users = rng.integers(USERS, size=self.chunk_records)
                pairs = zip(items.tolist(), users.tolist(), strict=True)
                await self._chunk(number, [_drawn(item, user) for item, user in pairs])

        await asyncio.gather(*(lane(number) for number in range(LANES)))

    async def check(self, events: Sequence[Behaviour]) -> None:
        """Every event was counted, once."""
        applied = (await tally(self.store))[_BEHAVIOUR]["applied"]
        assert applied == len(events), f"{applied} events applied of {len(events)}"


def _drawn(item: int, user: int) -> Behaviour:
    return Behaviour(
        item_id=f"item-{item}", type="purchase", time=START, user_id=f"user-{user}", value=9.99
    )
