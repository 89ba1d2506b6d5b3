"""What is known of an item beside its record: facts, content, reviews and early behaviour.

A worker keeps it at hand for recently touched items. Each record counts the changes of what is
beside it (``aux``), and the script sends it again whenever that count is not the worker's, so
the cache is never older than the record it is used with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from sys import intern
from typing import Any

import msgpack
import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.events import NewItem
from streamer.state.keys import KIN_KINDS, kin
from streamer.state.layout import ITEM, REVIEWS
from streamer.state.remembered import Remembered

_read_item = msgspec.msgpack.Decoder(NewItem).decode
_AUX = ITEM.index["aux"]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """The relatives of an item, one object for all items that have the same: their ids, and by
    kind, in the order of KIN_KINDS, '' where there is none."""

    kin: tuple[str, ...]
    by_kind: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """The catalogue's word on an item: the event itself, packed, and what every score needs of it.

    ``origin`` and ``offset`` are the watermark field and the offset of the event with which the
    item came up; ``launch_time`` and ``family`` are as of that event and never change. ``price``
    is NaN where there is none.
    """

    packed: bytes
    origin: str
    offset: int
    launch_time: float
    family: Family
    withdrawn: bool
    price: float
    in_stock: bool
    category: tuple[str, ...]

    @property
    def item(self) -> NewItem:
        """The event, its description cut to what is stored."""
        return _read_item(self.packed)


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

    @property
    def family(self) -> Family:
        return self.facts.family if self.facts else NO_FAMILY

    @property
    def bytes(self) -> int:
        """About what it takes of memory."""
        parts = [self.facts.packed] if self.facts else []
        parts += self.content.vectors.values() if self.content else []
        parts += [self.early.record] if self.early else []
        return (
            _OBJECTS_BYTES + sum(map(len, parts)) + (0 if self.reviews is None else _REVIEWS_BYTES)
        )


NO_FAMILY = Family((), ("", "", ""))
NOTHING = Known()
_OBJECTS_BYTES = 550
_REVIEWS_BYTES = REVIEWS.head.itemsize + 100


MAX_CACHED_BYTES = 8192
"""What is beside an item's record is not kept when it is longer than this: it comes again."""


class KnownItems:
    """A cache of Known by item id, of ``max_bytes``; what was put first is dropped first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.clear()

    def get(self, item_id: str) -> Known:
        return self._items.get(item_id, NOTHING)

    def put(self, item_id: str, known: Known) -> None:
        """Takes in what was just read of an item."""
        before = self._items.pop(item_id, None)
        self.bytes += known.bytes - (before.bytes if before else 0)
        self._items[item_id] = known
        while self.bytes > self._max_bytes:
            self.bytes -= self._items.pop(next(iter(self._items))).bytes

    def clear(self) -> None:
        self._items: dict[str, Known] = {}
        self.bytes = 0


def parse(entry: list[Any]) -> tuple[bytes, Known]:
    """A script's [record, facts, content, reviews, early] → the record and what is beside it."""
    stored, packed, content, reviews, early = entry
    (record,) = ITEM.current([stored])
    facts = _facts(packed) if packed else None
    return record, Known(
        aux=float(np.frombuffer(record, ITEM.head, 1)["x"][0, _AUX]),
        facts=facts,
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
    where, _, offset = origin.rpartition(b":")
    brief = _read_brief(item)
    return Facts(
        packed=item,
        origin=intern(where.decode()),
        offset=int(offset),
        launch_time=launch,
        family=_families[kin_ids],
        withdrawn=(withdrawn, withdrawal) > (time, order),
        price=nan if brief.price is None else brief.price,
        in_stock=brief.stock != 0,
        category=_categories[brief.category],
    )


class _Brief(msgspec.Struct, gc=False):
    """What every score needs of a packed NewItem."""

    price: float | None = None
    stock: float | None = None
    category: tuple[str, ...] = ()


_read_brief = msgspec.msgpack.Decoder(_Brief).decode


def family(kin_ids: bytes) -> Family:
    """The family whose ids stand there, a space between two."""
    ids = tuple(kin_ids.decode().split())
    by_kind = {kin.partition(":")[0]: kin for kin in ids}
    brand, category, narrowest = (by_kind.get(kind, "") for kind in KIN_KINDS)
    return Family(ids, (brand, category, narrowest))


_families: Remembered[bytes, Family] = Remembered(family, size=50_000)
_categories: Remembered[tuple[str, ...], tuple[str, ...]] = Remembered(lambda c: c, size=50_000)


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


def grouped(families: Sequence[Family]) -> tuple[list[Family], NDArray[np.int64]]:
    """The distinct ones of the families, and which of them each is."""
    places: dict[Family, int] = {}
    member = [places.setdefault(family, len(places)) for family in families]
    return list(places), np.array(member, np.int64)
