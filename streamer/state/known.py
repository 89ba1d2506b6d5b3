"""What is known of an item beside its record: facts, content, reviews and early behaviour.

Each record counts the changes of what is beside it (``aux``); what was read at the same count is
still what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import nan
from struct import unpack_from
from sys import intern

import msgpack
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streamer.events import NewItem
from streamer.state import listing
from streamer.state.keys import KIN_KINDS, kin
from streamer.state.layout import REVIEWS
from streamer.state.listing import Listing
from streamer.state.records import ETAG_BYTES, etag_of, fields_of, place_of
from streamer.state.remembered import Remembered


class Family(Struct, frozen=True, eq=False, gc=False):
    """The relatives of an item, one object for all items that have the same: its number, their
    ids, and by kind, in the order of KIN_KINDS, '' where there is none."""

    number: int
    kin: tuple[str, ...]
    by_kind: tuple[str, ...]


NO_FAMILY = Family(0, (), ("",) * len(KIN_KINDS))
_numbers = count(1)


class Facts(Struct, frozen=True, gc=False):
    """The catalogue's word on an item: the listing, packed, and what every score needs of it. The
    event that it is of has this ``time``.

    ``origin`` and ``offset`` are the watermark field and the offset of the event with which the
    item came up; ``launch_time`` and ``family`` are as of that event and never change. ``price``
    is NaN where there is none; what is ``offered`` is not withdrawn and in stock.
    """

    packed: bytes
    time: float
    origin: str
    offset: int
    launch_time: float
    family: Family
    withdrawn: bool
    offered: bool
    price: float
    category: tuple[str, ...]

    @property
    def listing(self) -> Listing:
        return listing.read(self.packed)


class Content(Struct, frozen=True, gc=False):
    """The description's embeddings by encoder fingerprint, float16 bytes, for one version of it."""

    time: float
    order: float
    text_id: str
    vectors: Mapping[str, bytes]


class Early(Struct, frozen=True, gc=False):
    """Behaviour from before the item was in the catalogue: its record then, and the shard's
    watermarks (field → offset) below which events are in that record."""

    record: bytes
    watermarks: Mapping[str, int]


class Known(Struct, frozen=True, eq=False, gc=False):
    """Everything beside an item's record; ``reviews`` is a row of layout.REVIEWS fields."""

    aux: float = 0.0
    facts: Facts | None = None
    content: Content | None = None
    reviews: NDArray[np.float64] | None = None
    early: Early | None = None
    family: Family = NO_FAMILY


NOTHING = Known()

BESIDE = np.dtype(
    [
        ("price", "f8"),
        ("launch", "f8"),
        ("family", "i8"),
        ("offered", "?"),
        ("described", "?"),
        ("reviewed", "?"),
        ("early", "?"),
    ]
)
"""What batches need of what is known, as columns: price and launch time (NaN where there are none)
and the number of the family; whether the item is offered, has a content, reviews, and early
behaviour."""


def beside(known: Sequence[Known]) -> NDArray[np.void]:
    """The BESIDE columns of items."""
    return np.array([_columns(each) for each in known], BESIDE)


def _columns(known: Known) -> tuple[float, float, int, bool, bool, bool, bool]:
    facts = known.facts
    return (
        facts.price if facts else nan,
        facts.launch_time if facts else nan,
        known.family.number,
        facts.offered if facts else False,
        known.content is not None,
        known.reviews is not None,
        known.early is not None,
    )


@dataclass(frozen=True, slots=True)
class Families:
    """The families of items: their numbers, and what is known of each to look the family up."""

    numbers: NDArray[np.int64]
    known: Sequence[Known]


class Entry(Struct, frozen=True, eq=False, gc=False):
    """An item as it was read: its record and that record's etag, and what is beside it, which
    takes so many bytes."""

    etag: int
    record: bytes
    known: Known
    beside_bytes: int


_AUX_AT = place_of("aux")


def parse(values: Sequence[bytes | None]) -> Entry | None:
    """What stands at an item's keys (record, facts, content, reviews, early) as an entry; None
    where there is no record. Raises StoreMismatch."""
    stored, packed, content, reviews, early = values
    if stored is None:
        return None
    record = stored[ETAG_BYTES:]
    fields_of(record[:2])  # raises before what another schema keeps beside it is read
    facts = _facts(packed) if packed else None
    known = Known(
        aux_of(record),
        facts,
        _content(content) if content else None,
        _reviews(reviews) if reviews else None,
        _early(early) if early else None,
        facts.family if facts else NO_FAMILY,
    )
    beside = sum([len(value) for value in values[1:] if value])
    return Entry(etag_of(stored), record, known, beside)


def aux_of(record: bytes) -> float:
    """How often what is beside a record has changed."""
    aux: float = unpack_from("<d", record, _AUX_AT)[0]
    return aux


def _facts(packed: bytes) -> Facts | None:
    time, order, origin, launch, kin_ids, listed, withdrawn, withdrawal = msgpack.unpackb(
        packed, raw=True
    )
    if not listed:
        return None
    where, _, offset = origin.rpartition(b":")
    brief, gone = listing.read_brief(listed), (withdrawn, withdrawal) > (time, order)
    return Facts(
        packed=listed,
        time=time,
        origin=intern(where.decode()),
        offset=int(offset),
        launch_time=launch,
        family=_families[kin_ids],
        withdrawn=gone,
        offered=not gone and brief.stock != 0,
        price=nan if brief.price is None else brief.price,
        category=_categories[brief.category],
    )


def family(kin_ids: bytes) -> Family:
    """The family whose ids stand there, a space between two."""
    ids = tuple(kin_ids.decode().split())
    by_kind = {kin.partition(":")[0]: kin for kin in ids}
    return Family(next(_numbers), ids, tuple(by_kind.get(kind, "") for kind in KIN_KINDS))


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
    record, log = msgpack.unpackb(packed, raw=True)
    return Early(record, _watermarks(tuple(log)))


@lru_cache(maxsize=1024)
def _watermarks(log: tuple[bytes, ...]) -> Mapping[str, int]:
    """The first phase's watermarks in a shard's log; items that came up together share them."""
    pairs = zip(log[::2], log[1::2], strict=True)
    return {k.decode(): int(v) for k, v in pairs if k.startswith(b"i:")}


def kin_of(item: NewItem) -> list[str]:
    """The relatives of an item: its seller, its brand, its class in the catalogue (type), the class
    above that (category) and the one above all (department)."""
    found = [kin("seller", item.seller)] if item.seller else []
    if item.brand:
        found.append(kin("brand", item.brand))
    if item.category:
        found.append(kin("department", item.category[0]))
        found.append(kin("category", "\0".join(item.category[: max(1, len(item.category) - 1)])))
        found.append(kin("type", "\0".join(item.category)))
    return found
