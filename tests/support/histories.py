"""Random shop histories, and a driver that feeds them to the state as a worker would."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from streamer.events import Behaviour, Encoding, NewItem
from streamer.state.batch import Batch, Range
from streamer.state.birth import COUNTED, Extent, open_logs
from streamer.state.columns import Pseudonyms
from streamer.state.connection import Client
from streamer.state.encoded import apply_encodings
from streamer.state.items import apply_items
from streamer.state.keys import Keys
from streamer.state.kin import KinTable
from streamer.state.relatives import apply_both
from streamer.state.store import Store
from streamer.state.table import ItemTable
from streamer.state.touched import Touched

START = 1_700_000_000.0

times = st.floats(START, START + 60 * 86400.0)
items = st.sampled_from([f"item{i}" for i in range(5)])


@st.composite
def behaviours(draw: st.DrawFn) -> Behaviour:
    kind = draw(st.sampled_from(["impression", "view", "cart", "purchase", "return", "rating"]))
    return Behaviour(
        item_id=draw(items),
        type=kind,
        time=draw(times),
        user_id=draw(st.none() | st.sampled_from([f"user{i}" for i in range(8)])),
        quantity=draw(st.sampled_from([1.0, 2.0, 0.35, 12.0])),
        value=draw(st.none() | st.floats(0, 500)),
        rating=draw(st.floats(0, 5)) if kind == "rating" else None,
        channel=draw(st.none() | st.sampled_from(["web", "app", "store 7"])),
        surface=draw(st.none() | st.sampled_from(["home", "mailer"])),
        position=draw(st.none() | st.integers(1, 40)),
    )


@st.composite
def new_items(draw: st.DrawFn) -> NewItem:
    return NewItem(
        item_id=draw(items),
        time=draw(times),
        title=draw(st.sampled_from(["Oat milk", "Scarf", "燕麦奶"])),
        brand=draw(st.sampled_from(["", "north", "south"])),
        category=draw(
            st.sampled_from([[], ["food"], ["food", "drinks"], ["food", "drinks", "milk"]])
        ),
        launch_time=draw(st.none() | times),
    )


@dataclass
class Worker:
    """Applies events like a worker that has just started."""

    store: Store
    table: ItemTable = field(default_factory=lambda: ItemTable(2**20))
    kin: KinTable = field(default_factory=KinTable)
    pseudonyms: Pseudonyms = field(default_factory=lambda: Pseudonyms("secret"))

    async def behaviour(
        self, log: str, partition: int, start: int, events: Sequence[Behaviour], *, kin: bool = True
    ) -> None:
        some = Range.holding(log, start, partition=partition, behaviour=events)
        await self.apply([some], kin=kin)

    async def catalogue(
        self, log: str, partition: int, start: int, events: Sequence[NewItem], *, kin: bool = True
    ) -> None:
        some = Range.holding(log, start, partition=partition, catalogue=events)
        await self.apply([some], kin=kin)

    async def apply(self, ranges: Sequence[Range], *, kin: bool = True) -> Touched:
        """One batch; without ``kin`` as if the worker had died before the second phase."""
        batch = Batch.of(ranges, self.store.keys, self.pseudonyms)
        if kin:
            return await apply_both(self.store, batch, self.table, self.kin)
        return (await apply_items(self.store, batch, self.table)).items

    async def encodings(
        self, log: str, partition: int, start: int, events: Sequence[Encoding]
    ) -> Touched:
        read = Range(log, partition, log, start, start + len(events))
        return await apply_encodings(self.store, read, events, self.table)


def fresh_store(client: Client, shards: int = 4) -> Store:
    """A store that shares its Redis with others but no key."""
    return Store(client, Keys(f"test-{uuid.uuid4().hex[:12]}", shards), 86400.0)


async def begin(
    store: Store, logs: dict[tuple[str, int], int], phases: tuple[str, ...] = COUNTED
) -> None:
    """Lets the store meet logs of the given lengths."""
    extents = [Extent(log, part, log, None, 0, end, phases) for (log, part), end in logs.items()]
    await open_logs(store, extents)


def split(length: int, rng: random.Random) -> list[tuple[int, int]]:
    """Cuts a log into contiguous chunks."""
    cuts = sorted({0, length, *(rng.randrange(length + 1) for _ in range(rng.randrange(4)))})
    return [(a, b) for a, b in itertools.pairwise(cuts)]
