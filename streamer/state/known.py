"""What is known of an item beside its record: facts, content, reviews and early behaviour.

A worker keeps it at hand for recently touched items. Each record counts the changes of what is
beside it (``aux``), and the script sends it again whenever that count is not the worker's, so
the cache is never older than the record it is used with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgpack
import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.events import NewItem
from streamer.state.keys import KIN_KINDS, kin
from streamer.state.layout import ITEM, REVIEWS

_read_item = msgspec.msgpack.Decoder(NewItem).decode
_AUX = ITEM.index["aux"]


@dataclass(frozen=True, slots=True)
class Facts:
    """The catalogue's word on an item.

    ``origin`` is the watermark field and offset of the event with which the item came up;
    ``launch_time`` and ``kin`` (ids of its relatives) are as of that event and never change.
    """

    item: NewItem
    time: float
    order: float
    origin: str
    launch_time: float
    kin: tuple[str, ...]
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Content:
    """The description's embeddings by encoder fingerprint, float16 bytes, for one version of it."""

    time: float
    order: float
    text_id: str
    vectors: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Early:
    """Behaviour from before the item was in the catalogue: its record then, and the shard's
    watermarks (field → offset) below which events are in that record."""

    record: bytes
    watermarks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Known:
    """Everything beside an item's record; ``reviews`` is a row of layout.REVIEWS fields."""

    aux: float = 0.0
    facts: Facts | None = None
    content: Content | None = None
    reviews: NDArray[np.float64] | None = None
    early: Early | None = None
    family: tuple[str, str, str] = ("", "", "")
    """The relatives by kind, in the order of KIN_KINDS, '' where there is none."""


NOTHING = Known()


MAX_CACHED_BYTES = 8192
"""What is beside an item's record is not kept when it is longer than this: it comes again."""


@dataclass(slots=True)
class KnownItems:
    """A bounded cache of Known by item id; the oldest half is dropped when it is full."""

    size: int
    _items: dict[str, Known] = field(default_factory=dict)

    def get(self, item_id: str) -> Known:
        return self._items.get(item_id, NOTHING)

    def put(self, item_id: str, known: Known) -> None:
        if len(self._items) >= self.size and item_id not in self._items:
            for stale in list(self._items)[: self.size // 2 + 1]:
                del self._items[stale]
        self._items[item_id] = known

    def clear(self) -> None:
        self._items.clear()


def parse(entry: list[Any]) -> tuple[bytes, Known]:
    """A script's [record, facts, content, reviews, early] → the record and what is beside it."""
    stored, packed, content, reviews, early = entry
    (record,) = ITEM.current([stored])
    facts = _facts(packed) if packed else None
    return record, Known(
        aux=float(np.frombuffer(record, ITEM.head, 1)["x"][0, _AUX]),
        facts=facts,
        family=_family(facts) if facts else ("", "", ""),
        content=_content(content) if content else None,
        reviews=_reviews(reviews) if reviews else None,
        early=_early(early) if early else None,
    )


def _facts(packed: bytes) -> Facts | None:
    time, order, origin, launch, kin_ids, item, withdrawn, withdrawal = msgpack.unpackb(
        packed, raw=True
    )
    if not item:
        return None
    return Facts(
        item=_read_item(item),
        time=time,
        order=order,
        origin=origin.decode(),
        launch_time=launch,
        kin=tuple(kin_ids.decode().split()),
        withdrawn=(withdrawn, withdrawal) > (time, order),
    )


def _family(facts: Facts) -> tuple[str, str, str]:
    by_kind = {kin.partition(":")[0]: kin for kin in facts.kin}
    brand, category, narrowest = (by_kind.get(kind, "") for kind in KIN_KINDS)
    return brand, category, narrowest


def _content(packed: bytes) -> Content:
    time, order, text_id, vectors = msgpack.unpackb(packed, raw=True)
    return Content(time, order, text_id.decode(), {k.decode(): v for k, v in vectors.items()})


def _reviews(stored: bytes) -> NDArray[np.float64]:
    (record,) = REVIEWS.current([stored])
    row: NDArray[np.float64] = np.frombuffer(record, REVIEWS.head, 1)["x"][0]
    return row


def _early(packed: bytes) -> Early:
    stored, log = msgpack.unpackb(packed, raw=True)
    (record,) = ITEM.current([stored])
    return Early(record, _watermarks(tuple(log)))


@lru_cache(maxsize=1024)
def _watermarks(log: tuple[bytes, ...]) -> Mapping[str, int]:
    """The first phase's watermarks in a shard's log; items that came up together share them."""
    pairs = zip(log[::2], log[1::2], strict=True)
    return {k.decode(): int(v) for k, v in pairs if k.startswith(b"i:")}


def kin_of(item: NewItem) -> list[str]:
    """The relatives of an item: its brand, its class in the catalogue, and the class above that."""
    found = [kin("brand", item.brand)] if item.brand else []
    if item.category:
        found.append(kin("category", "\0".join(item.category[: max(1, len(item.category) - 1)])))
        found.append(kin("type", "\0".join(item.category)))
    return found
