"""What a live worker sees of an item and what replay gives training are the same numbers.

Live: four shards, three topics of three partitions each, a cache that forgets most items, encodings
that come late and in another order. Replay: one shard, one log a kind, every item at hand, each
encoding right after its text. Both stop at the same 40 moments of a real day, whose items are also
viewed, clicked, carted, shared, returned, rated and reviewed.
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
from streamer.events import (
    BEHAVIOUR_TYPES,
    Behaviour,
    Encoding,
    NewItem,
)
from streamer.intake import description_text, review_text
from streamer.learning.replay import Replay
from streamer.replay.sources.journey_catalogue import Catalogue
from streamer.settings import load
from streamer.state.batch import Batch, Range
from streamer.state.birth import ENCODED, Extent, open_logs
from streamer.state.columns import Pseudonyms
from streamer.state.connection import connected
from streamer.state.encoded import apply_encodings
from streamer.state.features import FEATURES, ensure_kin, features
from streamer.state.keys import Keys
from streamer.state.kin import KinTable
from streamer.state.reading import read_items
from streamer.state.relatives import apply_both
from streamer.state.store import Store
from streamer.state.table import ItemTable
from tests.support.histories import encoded_by
from tests.support.journey import busy_day

Event = Behaviour | NewItem
Points = list[tuple[np.ndarray, np.ndarray]]

CHUNKS, EVENTS_A_CHUNK, ITEMS_A_CHUNK, PARTITIONS = 40, 100, 25, 3
MORE_A_CHUNK = 60
"""Made-up acts of shoppers among the real events of a chunk."""
LISTED = 0.8
"""The share of items that have a catalogue event, somewhere among what happens to them first."""
SELLERS = ("", "farm", "mill")
READER, DIMENSIONS = "reader", 8
DECAYS = ("_1h", "_24h", "_168h", "_672h", "momentum", "channel_sales")
EXACT = [i for i, name in enumerate(FEATURES) if not any(part in name for part in DECAYS)]


def day() -> list[list[Event]]:
    events = [record.value for record in busy_day(92)]
    taken = [e for e in events if isinstance(e, Behaviour | NewItem)]
    some = iter(taken[:: len(taken) // (CHUNKS * EVENTS_A_CHUNK)])
    chunks = [list(islice(some, EVENTS_A_CHUNK)) for _ in range(CHUNKS)]
    rng, seen, catalogue = random.Random(1), dict[str, None](), Catalogue()
    told = {event.item_id for chunk in chunks for event in chunk if isinstance(event, NewItem)}
    for number, chunk in enumerate(chunks):
        first, last = chunk[0].time, chunk[-1].time
        for item_id in sorted({event.item_id for event in chunk} - seen.keys()):
            product, time = int(item_id.rpartition("-")[2]), rng.uniform(first, last)
            if item_id not in told and product in catalogue and rng.random() < LISTED:
                listed = catalogue.item(product, item_id, time, rng.uniform(1, 9))
                listed.seller = rng.choice(SELLERS)
                chunk.insert(rng.randrange(len(chunk)), listed)
        seen |= dict.fromkeys(event.item_id for event in chunk)
        for place in range(MORE_A_CHUNK):
            act = acted(rng, rng.choice(list(seen)), rng.uniform(first, last), f"{number}-{place}")
            chunk.insert(rng.randrange(len(chunk)), act)
    return chunks


def acted(rng: random.Random, item_id: str, time: float, event_id: str) -> Behaviour:
    kind = rng.choice(BEHAVIOUR_TYPES)
    return Behaviour(
        item_id=item_id,
        type=kind,
        time=time,
        event_id=event_id,
        user_id=rng.choice([None, f"user-{rng.randrange(30)}"]),
        value=round(rng.uniform(0, 20), 2),
        rating=rng.randint(1, 5) if kind in ("rating", "review") else None,
        text=f"review {event_id}" if kind == "review" else None,
        channel=rng.choice([None, "web", "app"]),
    )


def encoded(event: Event) -> list[Encoding]:
    """What an encoder makes of an event's text."""
    if isinstance(event, NewItem):
        text = description_text(event, event.event_id or "")
    elif event.type == "review":
        text = review_text(event, event.event_id or "")
    else:
        return []
    return [encoded_by(READER, text, DIMENSIONS)]


def looked_at(chunks: Sequence[Sequence[Event]]) -> list[list[str]]:
    rng, seen = random.Random(0), dict[str, None]()
    chosen = []
    for chunk in chunks:
        seen |= dict.fromkeys(event.item_id for event in chunk)
        chosen.append(rng.sample(list(seen), ITEMS_A_CHUNK))
    return chosen


async def live(store: Store, chunks: list[list[Event]], asked: list[list[str]]) -> Points:
    logs = [(topic, p) for topic in ("items", "acts") for p in range(PARTITIONS)]
    read = [("read", p) for p in range(PARTITIONS)]
    counted = [Extent(t, p, t, None, 0, 2**53) for t, p in logs]
    await open_logs(store, [*counted, *(Extent(t, p, t, None, 0, 2**53, ENCODED) for t, p in read)])
    table, kin, pseudonyms = ItemTable(200_000), KinTable(), Pseudonyms("test")
    starts, points, rng = dict.fromkeys([*logs, *read], 0), [], random.Random(2)
    for chunk, wanted in zip(chunks, asked, strict=True):
        for half in (chunk[::2], chunk[1::2]):
            ranges = list(_ranges(half, starts))
            batch = Batch.of(ranges, store.keys, pseudonyms)
            await apply_both(store, batch, table, kin)
        late = [encoding for event in chunk for encoding in encoded(event)]
        rng.shuffle(late)
        for topic, partition in read:
            mine = late[partition::PARTITIONS]
            some = Range.holding(topic, starts[topic, partition], partition=partition)
            some.end += len(mine)
            starts[topic, partition] = some.end
            await apply_encodings(store, some, mine, table)
        points.append(await _seen(store, table, kin, wanted, chunk[-1].time))
    return points


def _ranges(events: list[Event], starts: dict[tuple[str, int], int]) -> Iterator[Range]:
    for topic, partition in list(starts):
        if topic == "read":
            continue
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
    replay = Replay(store, lambda _: (), encoded)
    async for _ in replay.run((), lambda _: None):
        raise AssertionError("nothing was asked for")
    points = []
    for chunk, wanted in zip(chunks, asked, strict=True):
        await replay._apply(chunk)
        points.append(await _seen(store, replay.table, replay.kin, wanted, chunk[-1].time))
    return points


async def _seen(
    store: Store, table: ItemTable, kin: KinTable, wanted: list[str], now: float
) -> tuple[np.ndarray, np.ndarray]:
    items = await read_items(store, wanted, table)
    await ensure_kin(items, kin, store)
    order = [items.ids.index(item_id) for item_id in wanted]
    found = features(items, kin, now, READER, DIMENSIONS)
    return found.x[order], found.content[order]


async def both(url: str) -> tuple[Points, Points]:
    chunks = day()
    asked = looked_at(chunks)
    async with connected(load(redis=url)) as client:
        served = Store(client, Keys("live", shards=4), user_retention_seconds=0)
        again = Store(client, Keys("replay", shards=1), user_retention_seconds=0)
        one = await live(served, chunks, asked)
        other = await replayed(again, chunks, asked)
    return one, other


def test_a_thousand_points_are_equal() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server, url = valkey(Path(folder))
        with server:
            points = asyncio.run(both(url))
    (served, content), (again, replayed) = (
        map(np.concatenate, zip(*of, strict=True)) for of in points
    )
    assert served.shape == again.shape == (CHUNKS * ITEMS_A_CHUNK, len(FEATURES))
    np.testing.assert_array_equal(served[:, EXACT], again[:, EXACT])
    np.testing.assert_allclose(served, again, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(content, replayed)
    assert np.isfinite(content[:, 0]).mean() > 0.5
    told = np.nan_to_num(served).std(axis=0) > 0
    assert [name for name, says in zip(FEATURES, told, strict=True) if not says] == []
