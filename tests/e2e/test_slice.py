"""A real slice through both workers, checked against counts that pandas makes from the raw data.

What would be missing without one of the agents, and that the checks here see it, is in
test_unplugged.py.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pandas as pd
import pytest

from streamer.events import Behaviour, NewItem
from streamer.registry import active
from streamer.replay.player import Player
from streamer.replay.record import TimedRecord
from streamer.replay.sources.clothing import ClothingReviews
from streamer.replay.sources.complete_journey import DAY_ZERO
from streamer.settings import Settings
from streamer.topology import DEAD_LETTERS, ENCODINGS, TEXTS, USER_BEHAVIOUR
from streamer.window import open_window
from tests.e2e.outcome import complaints, settled
from tests.e2e.raw import garments, journey_day, together
from tests.support.journey import busy_day
from tests.support.logs import read
from tests.support.processes import (
    REPOSITORY,
    call,
    metric,
    own_group,
    running,
    said,
    until,
)
from tests.unit.replay.records import Listed

DAY = 92
FEWEST_REVIEWS, MOST_REVIEWS = 20, 30


@dataclass(frozen=True)
class Slice:
    """What was sent, what pandas says of it, and where it went."""

    settings: Settings
    folder: Path
    ports: list[int]
    records: list[TimedRecord]
    expected: pd.DataFrame

    def wrong(self) -> dict[str, list[str]]:
        return asyncio.run(complaints(self.settings, self.expected))


@pytest.fixture(scope="module")
def piece(
    broker_address: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Slice]:
    settings = own_group(broker_address, redis_url, board_size=2000, session_timeout_seconds=6.0)
    folder = tmp_path_factory.mktemp("slice")
    clothes = garments(FEWEST_REVIEWS, MOST_REVIEWS)
    records = journey() + clothing(set(clothes.index))
    with running(settings, folder, "worker", "encoder") as processes:
        asyncio.run(_send(settings, records))
        expected = together([journey_day(DAY), clothes])
        shown = asyncio.run(_impressions(settings))
        expected["impression"] = shown.reindex(expected.index, fill_value=0)
        yield Slice(settings, folder, [p.port for p in processes], records, expected)


def journey() -> list[TimedRecord]:
    return list(busy_day(DAY))


def clothing(items: set[str]) -> list[TimedRecord]:
    start = DAY_ZERO + DAY * 86400.0
    return [r for r in ClothingReviews(start, start + 86400.0) if r.key.decode() in items]


async def _send(settings: Settings, records: list[TimedRecord]) -> None:
    ordered = sorted(records, key=lambda record: record.time)
    await Player(Listed(ordered), settings).play()
    await until(lambda: _all_encoded(settings, len(_texts(records))), "an encoding of every text")
    await settled(settings)


async def _all_encoded(settings: Settings, texts: int) -> bool:
    """A busy encoder may be silent for long: a chunk's answers come together."""
    return len(await read(settings, ENCODINGS.name)) >= texts


def _texts(records: list[TimedRecord]) -> list[NewItem | Behaviour]:
    """The events that have a text to be encoded."""
    values = [record.value for record in records]
    return [v for v in values if isinstance(v, NewItem) or (isinstance(v, Behaviour) and v.text)]


async def _impressions(settings: Settings) -> pd.Series[int]:
    """Most promotions are left out: they are counted as they lie in the topic."""
    events = [msgpack.unpackb(r.value) for r in await read(settings, USER_BEHAVIOUR.name)]
    shown = [event["item_id"] for event in events if event["type"] == "impression"]
    assert len(shown) > 1000
    return pd.Series(Counter(shown))


def test_the_slice_is_what_pandas_counts(piece: Slice) -> None:
    kinds = Counter(record.kind for record in piece.records)
    sums = piece.expected[["purchase", "review", "rating", "listed"]].sum()
    assert kinds["purchase"] == sums["purchase"] > 4000
    assert kinds["review"] == sums["review"] > 500
    assert kinds["rating"] == sums["rating"] > 10
    assert kinds["upsert"] == sums["listed"] > 100


def test_nothing_is_wrong_with_any_item_score_or_board(piece: Slice) -> None:
    assert piece.wrong() == {}


def test_every_event_is_accounted_for(piece: Slice) -> None:
    async def outcomes() -> Counter[str]:
        async with open_window(piece.settings) as window:
            return sum((await window.tally()).values(), Counter())

    assert asyncio.run(outcomes()) == {"applied": len(piece.records)}
    assert asyncio.run(read(piece.settings, DEAD_LETTERS.name)) == []
    assert metric(piece.ports, "streamer_events_total", outcome="applied") >= len(piece.records)
    assert metric(piece.ports, "streamer_lag_records") == 0


def test_every_text_was_encoded_once_by_the_encoder_that_the_model_reads(piece: Slice) -> None:
    texts = [msgpack.unpackb(r.value) for r in asyncio.run(read(piece.settings, TEXTS.name))]
    sent = Counter(text["kind"] for text in texts)
    written = Counter(type(event) for event in _texts(piece.records))
    assert (sent["description"], sent["review"]) == (written[NewItem], written[Behaviour])
    answers = asyncio.run(read(piece.settings, ENCODINGS.name))
    encodings = [msgpack.unpackb(record.value) for record in answers]
    asked = Counter((text["item_id"], text["kind"], text["text_id"]) for text in texts)
    assert Counter((e["item_id"], e["kind"], e["text_id"]) for e in encodings) == asked
    fingerprint = active(piece.settings.model_store).encoder
    assert {encoding["fingerprint"] for encoding in encodings} == {fingerprint}


@pytest.mark.skipif(
    not any((REPOSITORY / "model_store").glob("sentiment-*")), reason="no sentiment bundle"
)
def test_praise_reads_better_than_complaint(piece: Slice) -> None:
    """The sentiment that comes back goes with the stars that customers gave."""
    encodings = [
        msgpack.unpackb(r.value) for r in asyncio.run(read(piece.settings, ENCODINGS.name))
    ]
    sentiment = {e["text_id"]: e["sentiment"] for e in encodings if e["kind"] == "review"}
    events = [r.value for r in piece.records if isinstance(r.value, Behaviour)]
    stars = {e.event_id: e.rating for e in events if e.type == "review"}
    told = pd.DataFrame({"sentiment": sentiment, "stars": stars}).dropna()
    assert len(told) == len(stars)
    means = told.groupby("stars")["sentiment"].mean()
    assert means[5.0] > means[3.0] > means[1.0]


def test_the_command_line_shows_the_same_totals(piece: Slice) -> None:
    for item_id, row in piece.expected.sample(4, random_state=0).iterrows():
        item = said(piece.settings, piece.folder, "item", str(item_id), "--json")
        assert item["totals"]["purchase"] == row["purchase"]
        assert item["totals"]["review"] == row["review"]
        assert item["amounts"]["value"] == pytest.approx(row["value"])
        assert item["amounts"]["quantity"] == pytest.approx(row["quantity"])


def test_the_command_line_shows_the_board(piece: Slice) -> None:
    board: dict[str, Any] = json.loads(
        call(piece.settings, piece.folder, "rank", "all", "--json").stdout
    )
    lines = board["lines"]
    assert [line["rank"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["item_id"] for line in lines} == set(
        piece.expected.index[piece.expected["listed"]]
    )
    probabilities = [line["probability"] for line in lines]
    assert probabilities == sorted(probabilities, reverse=True)
