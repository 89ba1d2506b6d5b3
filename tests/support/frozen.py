"""A short history that never changes, and what the features say of it.

Every feature's numbers are kept in `frozen.json` with the version of its definition. To write the
table after a definition was changed and its version raised: python -m tests.support.frozen
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from streamer.embedded import valkey
from streamer.events import REVIEW_DIMENSIONS, Behaviour, Encoding, NewItem
from streamer.settings import load
from streamer.state.birth import ENCODED, Extent, open_logs
from streamer.state.connection import connected
from streamer.state.features import FEATURES, VERSIONS, ensure_kin, features
from streamer.state.layout import DAY, HOUR
from streamer.state.reading import read_items
from tests.support.histories import START, Worker, begin, fresh_store

TABLE = Path(__file__).with_name("frozen.json")
RELATIVE, ABSOLUTE = 1e-6, 1e-12
"""Tolerances: wide enough for another processor's logarithms, too narrow for another definition."""
READER, DIMENSIONS = "reader", 1
ACTS = (
    *("impression", "view", "view", "view", "click", "favourite", "cart", "purchase", "purchase"),
    *("return", "rating", "review", "share", "hide"),
)
CATALOGUE = (
    {"seller": "farm", "brand": "north", "category": ["food", "drinks", "milk"], "price": 3.0},
    {"seller": "farm", "brand": "north", "category": ["food", "drinks", "tea"], "price": 5.5},
    {"brand": "south", "category": ["food", "drinks", "milk"], "price": 0.0},
    {"brand": "", "category": ["home"], "price": None},
    {"seller": "mill", "brand": "south", "category": ["food", "bread"], "price": 2.0},
)
ITEMS = [f"item-{number}" for number in range(len(CATALOGUE) + 1)]
"""The last of them is not in the catalogue."""
EVENTS, EARLY = 1000, 40
"""An event an hour, and how many of them were there at the first look."""
USERS = 300
T = TypeVar("T")


class Says(NamedTuple):
    """What a definition of a feature says at each look; None where it is missing."""

    version: int
    numbers: list[float | None]


def table() -> dict[str, Says]:
    """What is kept of each feature."""
    return {name: Says(*entry) for name, entry in json.loads(TABLE.read_text()).items()}


def said(redis_url: str) -> dict[str, Says]:
    """What the features say now: of every item early in the history, and at its end."""
    x = asyncio.run(_looks(redis_url))
    columns = ([None if np.isnan(v) else v for v in column] for column in x.T.tolist())
    return {
        name: Says(VERSIONS[name], column) for name, column in zip(FEATURES, columns, strict=True)
    }


def differs(one: Says, other: Says) -> bool:
    """Whether two definitions say different things, rounding aside."""
    left, right = (np.array(each.numbers, float) for each in (one, other))
    return not np.allclose(left, right, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)


async def _looks(redis_url: str) -> np.ndarray:
    async with connected(load(redis=redis_url)) as client:
        store = fresh_store(client)
        worker = Worker(store)
        await begin(store, {("items", 0): len(CATALOGUE), ("acts", 0): EVENTS})
        await open_logs(store, [Extent("read", 0, "read", None, 0, 2**53, ENCODED)])
        listed, acts = _catalogue(), _behaviour()
        await worker.catalogue("items", 0, 0, listed)
        found, read = [], 0
        for start, end in ((0, EARLY), (EARLY, EVENTS)):
            some = acts[start:end]
            await worker.behaviour("acts", 0, start, some)
            encodings = [_encoding(event) for event in some if event.type == "review"]
            await worker.encodings("read", 0, read, encodings)
            read += len(encodings)
            found.append(await _look(worker, some[-1].time + HOUR / 2))
        return np.vstack(found)


async def _look(worker: Worker, now: float) -> np.ndarray:
    items = await read_items(worker.store, ITEMS, worker.table)
    await ensure_kin(items, worker.kin, worker.store)
    order = [items.ids.index(item_id) for item_id in ITEMS]
    return features(items, worker.kin, now, READER, DIMENSIONS).x[order]


def _catalogue() -> list[NewItem]:
    return [
        NewItem(item_id=item_id, time=START + number * DAY, title=f"Thing {number}", **facts)  # type: ignore[arg-type]
        for number, (item_id, facts) in enumerate(zip(ITEMS, CATALOGUE, strict=False))
    ]


def _behaviour() -> list[Behaviour]:
    """Drawn by `random()` alone, whose numbers are the same in every Python."""
    rng = random.Random(0)
    return [_act(rng, place) for place in range(EVENTS)]


def _act(rng: random.Random, place: int) -> Behaviour:
    """Most is done with few items, by few users."""

    def one(of: Sequence[T], bent: int = 1) -> T:
        return of[int(rng.random() ** bent * len(of))]

    kind = one(ACTS)
    return Behaviour(
        item_id=one(ITEMS, bent=3),
        type=kind,  # type: ignore[arg-type]
        time=START + place * HOUR,
        event_id=f"act-{place}",
        user_id=one([None, *(f"user-{number}" for number in range(USERS))], bent=2),
        quantity=one([1.0, 2.0, 0.5]),
        value=one([None, 1.25, 4.0]),
        rating=one([1.0, 3.0, 5.0]) if kind in ("rating", "review") else None,
        text=f"Review {place}" if kind == "review" else None,
        channel=one([None, "web", "app", "store 7"]),
        surface=one([None, "home", "mailer"]),
        position=one([None, 1, 7]),
    )


def _encoding(review: Behaviour) -> Encoding:
    number = int(review.time % 997)
    vector = (number + 37 * np.arange(REVIEW_DIMENSIONS)) % 1000 - 500
    return Encoding(
        time=review.time,
        item_id=review.item_id,
        kind="review",
        text_id=review.event_id or "",
        fingerprint=READER,
        vector=vector.astype("<i2").tobytes(),
        sentiment=None if number % 5 == 0 else number / 997,
    )


def write() -> None:
    """Writes the table anew. Refused where a feature says something else by the same version."""
    with tempfile.TemporaryDirectory() as folder:
        server, url = valkey(Path(folder))
        with server:
            now = said(url)
    before = table() if TABLE.exists() else {}
    for name, says in now.items():
        if name in before and before[name].version == says.version and differs(before[name], says):
            raise SystemExit(f"{name} says something else: raise its version in features.VERSIONS")
    TABLE.write_text("{\n" + ",\n".join(_lines(now)) + "\n}\n")


def _lines(now: dict[str, Says]) -> Iterator[str]:
    for name, (version, numbers) in now.items():
        short = [None if number is None else float(f"{number:.9g}") for number in numbers]
        yield f"{json.dumps(name)}: {json.dumps([version, short])}"


if __name__ == "__main__":
    write()
