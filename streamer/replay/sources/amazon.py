"""The public Amazon Reviews 2023 files: `Category.jsonl` with reviews, `meta_Category.jsonl` with items.

Source: Hou et al., "Bridging Language and Items for Retrieval and Recommendation", 2024.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from streamer.errors import ConfigurationError
from streamer.events import MAX_LABEL_CHARS
from streamer.replay.record import TimedRecord
from streamer.replay.sources.converted import record_of, unreadable
from streamer.replay.sources.moments import TimeRule
from streamer.replay.sources.ordering import SortedRecords
from streamer.replay.sources.reviewing import review
from streamer.replay.sources.rows import Row, read_all, read_rows
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

META_PREFIX = "meta_"
_MAX_CATEGORIES = 8
_MILLISECONDS = TimeRule("ms")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")

Fields = dict[str, Any]


class AmazonReviews:
    """Reviews, and the items that they are about.

    An item is launched at its first review; one that was never reviewed is left out, and a
    review of an item without metadata is behaviour without a catalogue event. With
    ``purchases``, a verified review is a purchase too: that it was bought is known, but not
    when, so it counts from the moment of the review. Raises ConfigurationError.
    """

    def __init__(self, paths: Sequence[Path], *, purchases: bool = True) -> None:
        self._meta = [path for path in paths if path.name.startswith(META_PREFIX)]
        self._reviews = [path for path in paths if path not in self._meta]
        self._purchases = purchases
        if not self._reviews:
            raise ConfigurationError("Amazon reviews need at least one file that is not meta_*")
        self._survey()
        self._sorted = SortedRecords(self._records())
        self.name = " and ".join(path.name for path in self._reviews)
        self.about = (
            f"{self.name}: real reviews at their real times; items are launched at their first "
            "review." + (" A verified review counts as a purchase then." if purchases else "")
        )

    def _survey(self) -> None:
        """Reads everything once: how much there is, and when each item was first reviewed."""
        self._first: dict[str, float] = {}
        self.total, self.start_time, self.last_time = 0, float("inf"), float("-inf")
        for _, row in read_all(self._reviews, "jsonl"):
            time = _time(row)
            self.total += 1 + (self._purchases and _is_purchase(row))
            if time is None or row.fields is None:
                continue
            self.start_time, self.last_time = min(self.start_time, time), max(self.last_time, time)
            item = row.fields.get("parent_asin")
            if isinstance(item, str):
                self._first[item] = min(time, self._first.get(item, time))
        if not self._first:
            raise ConfigurationError(f"{self._reviews[0]}: no row has parent_asin and timestamp")
        self.total += sum(self._wanted(row) for _, row in read_all(self._meta, "jsonl"))

    def _wanted(self, row: Row) -> bool:
        """Of metadata: what launches an item, and what can't be read."""
        item = None if row.fields is None else row.fields.get("parent_asin")
        return row.fields is None or (isinstance(item, str) and item in self._first)

    def __iter__(self) -> Iterator[TimedRecord]:
        return iter(self._sorted)

    def _records(self) -> Iterator[TimedRecord]:
        for path, row in read_all(self._meta, "jsonl"):
            if self._wanted(row):
                yield self._launch(row, f"{path.name}:{row.line}")
        for path in self._reviews:
            time = self.start_time
            for row in read_rows(path, "jsonl"):
                time = _time(row) or time
                yield from self._behaviour(row, f"{path.name}:{row.line}", time)

    def _launch(self, row: Row, where: str) -> TimedRecord:
        if row.fields is None:
            return unreadable(NEW_ITEMS, row.raw, where, self.start_time)
        time = self._first[row.fields["parent_asin"]]
        return record_of(NEW_ITEMS, _item(row.fields, time), where, time)

    def _behaviour(self, row: Row, where: str, time: float) -> Iterator[TimedRecord]:
        if row.fields is None:
            yield unreadable(USER_BEHAVIOUR, row.raw, where, time)
            return
        said = {
            "item_id": row.fields.get("parent_asin"),
            "user_id": row.fields.get("user_id"),
            "time": time if _time(row) is not None else row.fields.get("timestamp"),
        }
        identity = f"{said['user_id']}-{said['item_id']}-{row.fields.get('timestamp')}"
        if self._purchases and _is_purchase(row):
            bought = said | {"type": "purchase", "event_id": f"{identity}-purchase"}
            yield record_of(USER_BEHAVIOUR, _given(bought), where, time)
        said |= {name: row.fields.get(name) for name in ("rating", "title")}
        said |= {"language": "en", "event_id": identity}
        yield record_of(USER_BEHAVIOUR, _given(review(said, row.fields.get("text"))), where, time)


def _time(row: Row) -> float | None:
    return _MILLISECONDS.seconds(row.fields.get("timestamp")) if row.fields is not None else None


def _is_purchase(row: Row) -> bool:
    return row.fields is not None and row.fields.get("verified_purchase") is True


def _given(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def _item(meta: Fields, time: float) -> Fields:
    item_id = meta["parent_asin"]
    return _given(
        {
            "item_id": item_id,
            "event_id": f"{item_id}-launch",
            "time": time,
            "title": meta.get("title"),
            "description": "\n".join(
                _texts(meta.get("features")) + _texts(meta.get("description"))
            ),
            "language": "en",
            "category": _categories(meta),
            "brand": "".join(_texts(meta.get("store")))[:MAX_LABEL_CHARS],
            "price": price_of(meta.get("price")),
            "currency": "USD",
        }
    )


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _categories(meta: Fields) -> list[str]:
    path = _texts(meta.get("categories")) or _texts(meta.get("main_category"))
    return [name[:MAX_LABEL_CHARS] for name in path[:_MAX_CATEGORIES]]


def price_of(value: Any) -> float | None:
    """The price in dollars of a number or a text such as `$1,299.00` or `from 5.99`."""
    if isinstance(value, str):
        found = _NUMBER.search(value)
        return float(found[0].replace(",", "")) if found else None
    return float(value) if isinstance(value, int | float) and value >= 0 else None
