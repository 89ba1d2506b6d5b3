from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamer.errors import ConfigurationError
from streamer.events import Behaviour, NewItem
from streamer.replay.record import UNREADABLE, TimedRecord
from streamer.replay.sources.amazon import AmazonReviews, price_of
from streamer.replay.sources.opening import open_files


def review(item: str, user: str, ms: int, **more: Any) -> dict[str, Any]:
    return {
        "rating": 5.0,
        "title": "Lovely",
        "text": "I would buy it again.",
        "images": [],
        "asin": f"{item}-BLUE",
        "parent_asin": item,
        "user_id": user,
        "timestamp": ms,
        "helpful_vote": 0,
        "verified_purchase": False,
    } | more


REVIEWS = [
    review("B001", "AGX", 1_600_000_100_000, verified_purchase=True),
    review("B002", "AGY", 1_600_000_000_500, rating=2.0, text="  "),
    review("B001", "AGZ", 1_600_000_050_250),
    review("B404", "AGX", 1_600_000_200_000),
]
META = [
    {
        "main_category": "All Beauty",
        "title": "Rose soap",
        "average_rating": 4.6,
        "features": ["Hand made", "100 g"],
        "description": ["Smells of roses."],
        "price": "from $1,004.50",
        "store": "Rosewood",
        "categories": ["Beauty", "Soap"],
        "details": {"Brand": "Rosewood"},
        "images": [],
        "parent_asin": "B001",
    },
    {
        "main_category": "All Beauty",
        "title": "Comb",
        "features": [],
        "description": [],
        "price": None,
        "store": None,
        "categories": [],
        "parent_asin": "B002",
    },
    {"main_category": "All Beauty", "title": "Never reviewed", "parent_asin": "B999"},
]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    reviews, meta = tmp_path / "All_Beauty.jsonl.gz", tmp_path / "meta_All_Beauty.jsonl"
    reviews.write_bytes(gzip.compress("\n".join(map(json.dumps, REVIEWS)).encode()))
    meta.write_text("\n".join(map(json.dumps, META)))
    return [reviews, meta]


def of_kind(records: list[TimedRecord], kind: str) -> list[Any]:
    decode = msgspec.msgpack.Decoder(NewItem if kind == "upsert" else Behaviour).decode
    return [decode(record.encoded()) for record in records if record.kind == kind]


def test_records_come_in_time_order_with_each_item_before_its_first_review(
    files: list[Path],
) -> None:
    source = AmazonReviews(files)
    records = list(source)
    assert [(r.kind, r.key, r.time) for r in records] == [
        ("upsert", b"B002", 1_600_000_000.5),
        ("rating", b"B002", 1_600_000_000.5),
        ("upsert", b"B001", 1_600_000_050.25),
        ("review", b"B001", 1_600_000_050.25),
        ("purchase", b"B001", 1_600_000_100.0),
        ("review", b"B001", 1_600_000_100.0),
        ("review", b"B404", 1_600_000_200.0),
    ]
    assert source.total == len(records)
    assert (source.start_time, source.last_time) == (1_600_000_000.5, 1_600_000_200.0)


def test_an_item_is_what_its_metadata_say(files: list[Path]) -> None:
    comb, soap = of_kind(list(AmazonReviews(files)), "upsert")
    assert soap == NewItem(
        item_id="B001",
        event_id="B001-launch",
        time=1_600_000_050.25,
        title="Rose soap",
        description="Hand made\n100 g\nSmells of roses.",
        language="en",
        category=["Beauty", "Soap"],
        brand="Rosewood",
        price=1004.5,
        currency="USD",
    )
    assert comb.category == ["All Beauty"]
    assert comb.price is None


def test_a_review_keeps_rating_title_text_and_user(files: list[Path]) -> None:
    first = of_kind(list(AmazonReviews(files)), "review")[0]
    assert (first.user_id, first.rating, first.title) == ("AGZ", 5.0, "Lovely")
    assert first.text == "I would buy it again."
    assert first.event_id == "AGZ-B001-1600000050250"


def test_verified_purchases_can_be_left_out(files: list[Path]) -> None:
    source = AmazonReviews(files, purchases=False)
    assert "purchase" not in {record.kind for record in source}
    assert source.total == len(list(source)) == 6


def test_bad_lines_travel_on(files: list[Path]) -> None:
    broken = '{"rating": 5.0, "parent_asin": "B0'
    strange = json.dumps(review("B001", "AGX", 1_600_000_000_000, rating="five"))
    no_time = json.dumps(review("B001", "AGX", 0) | {"timestamp": "long ago"})
    no_text = json.dumps(review("B001", "AGX", 1_600_000_000_000, text=["so", "so"]))
    bad = [broken, strange, no_time, no_text]
    files[0].write_text("\n".join([*map(json.dumps, REVIEWS), *bad]))
    files[1].write_text(
        "\n".join([*map(json.dumps, META), "nonsense", '{"parent_asin": ["B001"]}'])
    )
    source = AmazonReviews(files)
    records = list(source)
    assert source.total == len(records)
    assert sum(record.kind == UNREADABLE for record in records) == 5
    assert {r.key for r in records if r.kind == UNREADABLE} == {
        b"All_Beauty.jsonl.gz:5",
        b"meta_All_Beauty.jsonl:4",
        b"B001",
    }


def test_the_layout_is_recognised(files: list[Path]) -> None:
    assert isinstance(open_files(files), AmazonReviews)
    assert isinstance(open_files(files[:1], format="amazon-2023"), AmazonReviews)


def test_a_file_of_ones_own_may_begin_with_meta(tmp_path: Path) -> None:
    path = tmp_path / "meta_views.jsonl"
    path.write_text('{"item_id": "a", "type": "view", "time": 1}\n')
    assert [record.kind for record in open_files([path])] == ["view"]


def test_metadata_alone_are_refused(files: list[Path]) -> None:
    with pytest.raises(ConfigurationError, match="not meta_"):
        AmazonReviews(files[1:])


@pytest.mark.parametrize(
    ("value", "price"),
    [
        (9.99, 9.99),
        ("9.99", 9.99),
        ("$1,299.00", 1299.0),
        ("—", None),
        (None, None),
        (-1, None),
        ([], None),
    ],
)
def test_prices_come_in_many_forms(value: object, price: float | None) -> None:
    assert price_of(value) == price
