"""What a live worker sees of an item and what replay gives training are the same numbers.

Live: four shards, two topics of three partitions each, a cache that forgets most items. Replay: one
shard, one log, every item at hand. Both stop at the same 40 moments of a real day.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from streamer.embedded import valkey
from streamer.events import Behaviour, NewItem
from streamer.learning.replay import Replay
from streamer.settings import load
from streamer.state.batch import Batch, Range
from streamer.state.birth import Extent, open_logs
from streamer.state.columns import Pseudonyms
from streamer.state.connection import connected
from streamer.state.features import FEATURES, ensure_kin, features
from streamer.state.keys import Keys
from streamer.state.kin import KinTable
from streamer.state.reading import read_items
from streamer.state.relatives import apply_both
from streamer.state.store import Store
from streamer.state.table import ItemTable
from tests.support.journey import busy_day

Event = Behaviour | NewItem
Points = list[np.ndarray]

CHUNKS, EVENTS_A_CHUNK, ITEMS_A_CHUNK, PARTITIONS = 40, 100, 25, 3
EXACT = ("purchases", "buyers", "days", "channels", "exposure", "value", "brand_purchases")


def day() -> list[list[Event]]:
    events = [record.value for record in busy_day(92)]
    taken = [e for e in events if isinstance(e, Behaviour | NewItem)]
    some = iter(taken[:: len(taken) // (CHUNKS * EVENTS_A_CHUNK)])
    return [list(islice(some, EVENTS_A_CHUNK)) for _ in range(CHUNKS)]


def looked_at(chunks: Sequence[Sequence[Event]]) -> list[list[str]]:
    rng, seen = random.Random(0), dict[str, None]()
    chosen = []
    for chunk in chunks:
        seen |= dict.fromkeys(event.item_id for event in chunk)
        chosen.append(rng.sample(list(seen), ITEMS_A_CHUNK))
    return chosen


async def live(store: Store, chunks: list[list[Event]], asked: list[list[str]]) -> Points:
    logs = [(topic, p) for topic in ("items", "acts") for p in range(PARTITIONS)]
    await open_logs(store, [Extent(t, p, t, None, 0, 2**53) for t, p in logs])
    table, kin, pseudonyms = ItemTable(200_000), KinTable(), Pseudonyms("test")
    starts, points = dict.fromkeys(logs, 0), []
    for chunk, wanted in zip(chunks, asked, strict=True):
        for half in (chunk[::2], chunk[1::2]):
            ranges = list(_ranges(half, starts))
            batch = Batch.of(ranges, store.keys, pseudonyms)
            await apply_both(store, batch, table, kin)
        points.append(await _seen(store, table, kin, wanted, chunk[-1].time))
    return points


def _ranges(events: list[Event], starts: dict[tuple[str, int], int]) -> Iterator[Range]:
    for topic, partition in starts:
        kind = NewItem if topic == "items" else Behaviour
        mine = [e for e in events if isinstance(e, kind) and hash(e.item_id) % 3 == partition]
        if not mine:
            continue
        start = starts[topic, partition]
        starts[topic, partition] = start + len(mine)
        catalogue = [e for e in mine if isinstance(e, NewItem)]
        behaviour = [e for e in mine if isinstance(e, Behaviour)]
        yield Range.holding(
            topic, start, partition=partition, behaviour=behaviour, catalogue=catalogue
        )


async def replayed(store: Store, chunks: list[list[Event]], asked: list[list[str]]) -> Points:
    replay = Replay(store, lambda _: ())
    async for _ in replay.run((), lambda _: None):
        raise AssertionError("nothing was asked for")
    points = []
    for chunk, wanted in zip(chunks, asked, strict=True):
        await replay._apply(chunk)
        points.append(await _seen(store, replay.table, replay.kin, wanted, chunk[-1].time))
    return points


async def _seen(
    store: Store, table: ItemTable, kin: KinTable, wanted: list[str], now: float
) -> np.ndarray:
    items = await read_items(store, wanted, table)
    await ensure_kin(items, kin, store)
    order = [items.ids.index(item_id) for item_id in wanted]
    return features(items, kin, now, "none", 4).x[order]


async def both(url: str) -> tuple[np.ndarray, np.ndarray]:
    chunks = day()
    asked = looked_at(chunks)
    async with connected(load(redis=url)) as client:
        served = Store(client, Keys("live", shards=4), user_retention_seconds=0)
        again = Store(client, Keys("replay", shards=1), user_retention_seconds=0)
        one = await live(served, chunks, asked)
        other = await replayed(again, chunks, asked)
    return np.concatenate(one), np.concatenate(other)


def test_a_thousand_points_are_equal() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server, url = valkey(Path(folder))
        with server:
            served, again = asyncio.run(both(url))
    assert served.shape == again.shape == (CHUNKS * ITEMS_A_CHUNK, len(FEATURES))
    counted = [FEATURES.index(name) for name in EXACT]
    np.testing.assert_array_equal(served[:, counted], again[:, counted])
    np.testing.assert_allclose(served, again, rtol=1e-9, atol=1e-9)
    assert (np.nan_to_num(served).std(axis=0) > 0).sum() > 40
