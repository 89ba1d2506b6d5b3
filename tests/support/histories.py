"""Random shop histories, and a driver that feeds them to the state as a worker would."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from msgspec import structs

from streamer.events import (
    BEHAVIOUR_TYPES,
    REVIEW_DIMENSIONS,
    Behaviour,
    Encoding,
    NewItem,
    Text,
)
from streamer.intake import description_text, review_text
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

END = START + 60 * 86400.0

times = st.sampled_from([START, END]) | st.floats(START, END)
"""Some are equal, the last ones among them."""
items = st.sampled_from([f"item{i}" for i in range(5)])
event_ids = st.none() | st.sampled_from([f"event{i}" for i in range(6)])
_ENCODERS = ("first-encoder", "second-encoder")


@st.composite
def behaviours(draw: st.DrawFn) -> Behaviour:
    """Valid events of every type."""
    kind = draw(st.sampled_from(BEHAVIOUR_TYPES))
    rated = st.floats(0, 5) if kind == "rating" else st.none()
    return Behaviour(
        item_id=draw(items),
        type=kind,
        time=draw(times),
        event_id=draw(event_ids),
        user_id=draw(st.none() | st.sampled_from([f"user{i}" for i in range(8)])),
        session=draw(st.none() | st.just("visit")),
        quantity=draw(st.sampled_from([1.0, 2.0, 0.35, 12.0])),
        value=draw(st.none() | st.floats(0, 500)),
        rating=draw(st.none() | st.floats(0, 5) if kind == "review" else rated),
        text=draw(st.sampled_from(["Good", "Broke at once", "好喝"])) if kind == "review" else None,
        title=draw(st.sampled_from([None, "Well"])) if kind == "review" else None,
        channel=draw(st.none() | st.sampled_from(["web", "app", "store 7"])),
        surface=draw(st.none() | st.sampled_from(["home", "mailer"])),
        position=draw(st.none() | st.integers(1, 40)),
        propensity=draw(st.none() | st.sampled_from([0.1, 1.0])),
    )


@st.composite
def upserts(draw: st.DrawFn) -> NewItem:
    """What the catalogue may say of an item on sale."""
    return NewItem(
        item_id=draw(items),
        time=draw(times),
        event_id=draw(event_ids),
        title=draw(st.sampled_from(["Oat milk", "Scarf", "燕麦奶"])),
        description=draw(st.sampled_from(["", "From oats", "long " * 500])),
        language=draw(st.sampled_from(["", "en", "zh"])),
        brand=draw(st.sampled_from(["", "north", "south"])),
        category=draw(
            st.sampled_from(
                [[], ["food"], ["food", "drinks"], ["food", "drinks", "milk"], ["home", "drinks"]]
            )
        ),
        seller=draw(st.sampled_from(["", "farm"])),
        price=draw(st.none() | st.sampled_from([0.0, 2.49])),
        currency=draw(st.sampled_from(["", "EUR"])),
        stock=draw(st.none() | st.sampled_from([0.0, 3.0])),
        launch_time=draw(st.none() | times),
        image_embedding=draw(st.none() | st.just([0.5, -0.25])),
        attributes=draw(st.sampled_from([{}, {"litres": 1.0, "fresh": True, "of": "oats"}])),
    )


withdrawals = st.builds(
    NewItem, item_id=items, time=times, event_id=event_ids, type=st.just("withdrawal")
)


def new_items() -> st.SearchStrategy[NewItem]:
    """Upserts and, less often, withdrawals."""
    return upserts() | upserts() | withdrawals


def texts_of(some: Range) -> list[Text]:
    """What the events of a range give the inference worker to read."""
    places = [f"{some.topic}/{some.partition}/{offset}" for offset in some.offsets.tolist()]
    return [
        *(
            description_text(event, event.event_id or place)
            for event, place in zip(some.catalogue, places, strict=False)
            if event.type == "upsert"
        ),
        *(
            review_text(event, event.event_id or place)
            for event, place in zip(some.behaviour, places, strict=False)
            if event.type == "review"
        ),
    ]


def encoding_of(text: Text, rng: random.Random) -> Encoding:
    """What one of two encoders makes of a text; of some reviews without a sentiment."""
    found = encoded_by(rng.choice(_ENCODERS), text, REVIEW_DIMENSIONS)
    return found if "oo" in text.text else structs.replace(found, sentiment=None)


def encoded_by(encoder: str, text: Text, dimensions: int) -> Encoding:
    """What an encoder makes of a text, always the same."""
    review = text.kind == "review"
    numbers = np.random.default_rng(list(f"{encoder}{text.text}".encode()))
    vector = numbers.integers(-500, 500, REVIEW_DIMENSIONS if review else dimensions)
    return Encoding(
        time=text.time,
        item_id=text.item_id,
        kind=text.kind,
        text_id=text.text_id,
        order=text.order,
        fingerprint=encoder,
        vector=vector.astype("<i2" if review else "<f2").tobytes(),
        sentiment=float(numbers.random()) if review else None,
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
