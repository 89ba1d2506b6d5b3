"""Random shop histories, and a driver that feeds them to the state as a worker would."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from streamer.chunk import Chunk
from streamer.events import Behaviour, Encoding, NewItem
from streamer.state import behaviour, catalogue
from streamer.state.birth import COUNTED, Extent, open_logs
from streamer.state.columns import Pseudonyms, columns
from streamer.state.connection import Client
from streamer.state.encoded import apply_encodings
from streamer.state.keys import Keys
from streamer.state.kin import KinTable
from streamer.state.known import KnownItems
from streamer.state.store import Store
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
    """Applies chunks like a worker that has just started."""

    store: Store
    known: KnownItems = field(default_factory=lambda: KnownItems(2**20))
    kin: KinTable = field(default_factory=KinTable)
    pseudonyms: Pseudonyms = field(default_factory=lambda: Pseudonyms("secret"))

    async def behaviour(
        self, log: str, partition: int, start: int, events: Sequence[Behaviour], *, kin: bool = True
    ) -> None:
        offsets = np.arange(start, start + len(events))
        chunk = _chunk(log, partition, offsets)
        batch = behaviour.BehaviourBatch(
            chunk, columns(events, offsets, self.pseudonyms), _none(), _none()
        )
        touched = await behaviour.apply_items(self.store, batch, self.known)
        if kin:
            await behaviour.apply_kin(self.store, batch, touched, self.kin)

    async def catalogue(
        self, log: str, partition: int, start: int, events: Sequence[NewItem], *, kin: bool = True
    ) -> None:
        offsets = np.arange(start, start + len(events))
        chunk = _chunk(log, partition, offsets)
        batch = catalogue.CatalogueBatch(chunk, list(events), offsets, _none(), _none())
        touched = await catalogue.apply_items(self.store, batch, self.known)
        if kin:
            await catalogue.apply_kin(self.store, batch, touched, self.kin)

    async def encodings(
        self, log: str, partition: int, start: int, events: Sequence[Encoding]
    ) -> Touched:
        chunk = _chunk(log, partition, np.arange(start, start + len(events)))
        return await apply_encodings(self.store, chunk, events, self.known)


def _chunk(log: str, partition: int, offsets: np.ndarray) -> Chunk:
    return Chunk(
        topic=log,
        partition=partition,
        log=log,
        start=int(offsets[0]),
        end=int(offsets[-1]) + 1,
        offsets=offsets,
        timestamps_ms=offsets,
        keys=[None] * len(offsets),
        values=[None] * len(offsets),
    )


def _none() -> np.ndarray:
    return np.empty(0, np.int64)


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
