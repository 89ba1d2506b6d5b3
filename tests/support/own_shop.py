"""A shop's own log as files: real words, made-up launches whose success early views and the first
reviews tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.replay.sources.clothing import read_rows
from streamer.state.layout import DAY

START = 1_735_689_600.0
"""2025-01-01."""
DAYS, LAUNCHES = 60.0, 420
STUDY = """
[log]
behaviour = "behaviour.jsonl"
catalogue = ["items.jsonl"]

[launches]
first = 4
test_from = 2025-02-04
ages_days = [0, 1, 3]

[success]
horizon_days = 10
cohort_days = 15

[reviews]
least = {least}
"""


@dataclass(frozen=True)
class OwnShop:
    """A folder with a log and its study."""

    folder: Path

    @property
    def study(self) -> Path:
        return self.folder / "study.toml"

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        rows.sort(key=lambda row: row["time"])
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def own_shop(folder: Path, reviews: bool = True, seed: int = 0) -> OwnShop:
    """Launches that many look at soon are bought later, and so are those whose first reviews are
    good; before a launch neither can be known."""
    rng, shop = np.random.default_rng(seed), OwnShop(folder)
    said = [row for row in read_rows() if row["Review Text"] and row["Class Name"]]
    good = [row for row in said if row["Rating"] == 5]
    bad = [row for row in said if row["Rating"] <= 2]
    items: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for number in range(LAUNCHES):
        launch = START + DAY * (0.5 + (DAYS - 11.0) * number / LAUNCHES)
        like, looked = rng.random() < 0.5, rng.random() < 0.5
        words = said[int(rng.integers(len(said)))]
        items.append(_item(number, launch, words))
        for kind, count, within in _kinds(rng, looked=looked, like=like):
            events += [
                _event(number, kind, launch + DAY * within * rng.random(), rng)
                for _ in range(count)
            ]
        if reviews:
            for _ in range(1 + rng.poisson(0.7)):
                row = (good if like else bad)[int(rng.integers(len(good if like else bad)))]
                event = _event(number, "review", launch + DAY * (0.1 + 0.8 * rng.random()), rng)
                told = {"title": row["Title"], "text": row["Review Text"]}
                events.append(event | told | {"rating": row["Rating"], "language": "en"})
    events += [{**events[0], "item_id": "not an id"}, {**events[0], "event_id": "e"}]
    events.append(dict(events[-1]))
    events.append({**events[0], "item_id": "unlisted", "type": "purchase"})
    shop.write("items.jsonl", items)
    shop.write("behaviour.jsonl", events)
    shop.study.write_text(STUDY.format(least=100))
    return shop


def _kinds(rng: np.random.Generator, *, looked: bool, like: bool) -> list[tuple[str, int, float]]:
    """What is done with a launch, how often, and in how many days."""
    views = rng.poisson(9 if looked else 2)
    bought = rng.poisson(0.4 + 2.5 * looked + 2.5 * like)
    return [
        ("impression", rng.poisson(4), 3.0),
        ("view", views, 0.9),
        ("click", rng.binomial(views, 0.3), 0.9),
        ("cart", rng.binomial(views, 0.15), 0.9),
        ("favourite", rng.poisson(0.2), 3.0),
        ("purchase", bought, 9.5),
        ("return", rng.binomial(bought, 0.05 if like else 0.3), 9.9),
        ("rating", rng.poisson(0.3), 9.0),
    ]


def _item(number: int, launch: float, words: dict[str, Any]) -> dict[str, Any]:
    kind, department = words["Class Name"], words["Department Name"]
    return {
        "item_id": f"garment-{number}",
        "event_id": f"garment-{number}-launch",
        "time": launch,
        "title": f"Women's {kind.lower()}",
        "description": f"Women's {department.lower()}, {words['Division Name'].lower()} sizes.",
        "language": "en",
        "category": ["Women's clothing", department, kind],
        "brand": f"brand-{number % 7}",
        "price": 20.0 + number % 60,
        "currency": "EUR",
    }


def _event(number: int, kind: str, time: float, rng: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = {
        "item_id": f"garment-{number}",
        "type": kind,
        "time": time,
        "user_id": f"user-{rng.integers(100_000)}",
        "channel": f"shop-{number % 3}",
    }
    if kind == "purchase":
        found["value"] = 20.0 + number % 60
    if kind == "rating":
        found["rating"] = int(rng.integers(1, 6))
    return found
