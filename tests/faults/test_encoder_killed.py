"""Encoder and worker are killed while real reviews flow: every text is read, and counts once."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from streamer.events import Behaviour, NewItem
from streamer.replay.record import TimedRecord
from streamer.replay.sources.clothing import ClothingReviews
from streamer.settings import Settings
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.state.layout import REVIEWS
from streamer.state.reading import read_items
from streamer.state.store import Store
from streamer.state.table import ItemTable
from streamer.topology import ENCODINGS, TEXTS
from tests.faults import results
from tests.faults.asked import asked
from tests.faults.chaos import group, quiet, read_as_well, settled_differences, through
from tests.faults.fleet import Fault, Fleet, kill_one
from tests.support.snapshot import Snapshot

pytestmark = pytest.mark.faults

START, END = 1_700_000_000.0, 1_700_000_000.0 + 90 * 86400.0
MANY_REVIEWS = 3000
"""Texts take so much longer than sales that these fill the time of ten times as many."""


@pytest.fixture(scope="module")
def reviews() -> list[TimedRecord]:
    return list(islice(ClothingReviews(START, END), MANY_REVIEWS))


def test_encoder_and_worker_are_killed(
    address: str, redis_url: str, tmp_path: Path, reviews: list[TimedRecord]
) -> None:
    settings = group(address, redis_url)

    async def scenario() -> None:
        encoders = Fleet(settings, tmp_path, 1, asked.seed, "encoder", (TEXTS,))
        workers = Fleet(settings, tmp_path, 2, asked.seed)

        async def encoder_killed(_: Fleet) -> None:
            await kill_one(encoders)
            encoders.mend()

        faults: list[Fault] = [encoder_killed, kill_one] * asked.least_rounds
        try:
            await through(workers, reviews, faults)
            await encoders.until_done()
            await workers.until_done()
        finally:
            await encoders.stop()
            await workers.stop()
        assert encoders.ends
        assert workers.ends
        assert await read(settings, reviews) == expected(reviews)
        other = await quiet(settings, redis_url, tmp_path)
        other = await read_as_well(other, settings, (ENCODINGS,), tmp_path)
        found = await settled_differences(other, settings, all_but_positions)
        results.add("faults.differences", len(found), "differences")
        assert not found, "\n".join(found[:50])

    asyncio.run(scenario())


def all_but_positions(state: Snapshot) -> Snapshot:
    """Without the positions in topics that only one group has."""
    return {key: value for key, value in state.items() if not key.endswith((":log", ".birth}"))}


def expected(history: list[TimedRecord]) -> dict[str, tuple[int, bool]]:
    """By item: how many reviews have a text, and that its description was read."""
    texts: Counter[str] = Counter()
    for record in history:
        if isinstance(record.value, Behaviour) and record.value.type == "review":
            texts[record.value.item_id] += 1
    return {
        record.value.item_id: (texts[record.value.item_id], True)
        for record in history
        if isinstance(record.value, NewItem)
    }


async def read(settings: Settings, history: list[TimedRecord]) -> dict[str, tuple[int, bool]]:
    """The same as the state has it."""
    ids = [r.value.item_id for r in history if isinstance(r.value, NewItem)]
    async with connected(settings) as client:
        store = Store(client, Keys(settings.group, settings.shards), 0.0)
        items = await read_items(store, ids, ItemTable(2**30))
    at = REVIEWS.index["reviews"]
    return {
        item_id: (0 if known.reviews is None else int(known.reviews[at]), bool(known.content))
        for item_id, known in zip(items.ids, items.known, strict=True)
    }
