"""The packed record: what is counted about an item or one of its relatives, and how two merge.

A record is a commutative monoid. Its head is a row of float64 fields of four kinds:

- *least* and *greatest* keep the smaller and the larger value (times, seconds since the epoch);
- *sums* add up. Amounts are whole numbers of 1/10,000, so sums are exact in any order;
- *decayed* fields are sums in which an event's weight halves with every half-life. They are
  kept as (value, reference time), the reference being the record's ``last_time``; merging
  brings both sides to the later reference: forward decay (Cormode et al., ICDE 2009) in a form
  that cannot overflow.

Its tail holds lists of distinct 32-bit values, in any order, each cut to its ``keep`` smallest
(bottom-k sketch, Beyer et al., SIGMOD 2007): exact while shorter, a distinct count and a uniform
sample of the members beyond. What happened in a batch is itself such a record, and applying it is
a merge: in numpy for items (merge.py, members.py), in Lua for what many workers move at once,
relatives and reviews. `scripts.py` writes that Lua merge from this same description.

To change the fields, raise ``schema`` and add (old schema, old fields in their order) to ``older``:
a stored record of that schema is carried over by field name, with the identity for what it did not
have: in Redis when it is next touched there, here when it is read. Lists stay as they are. How a
record of an item is stored is told in `records.py`; heads of the others are stored as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from streamer.errors import StoreMismatch
from streamer.events import BEHAVIOUR_TYPES, REVIEW_DIMENSIONS

AMOUNT_UNIT = 1e-4

HOUR = 3600.0
DAY = 86400.0
WEEK = 7 * DAY
MONTH = 28 * DAY


@dataclass(frozen=True)
class Layout:
    """A record type: the names of its fields, by kind, and its lists with the length each keeps."""

    name: str
    schema: int
    least: tuple[str, ...]
    greatest: tuple[str, ...]
    sums: tuple[str, ...]
    decayed: tuple[tuple[float, tuple[str, ...]], ...]
    lists: tuple[tuple[str, int], ...] = ()
    older: tuple[tuple[int, tuple[str, ...]], ...] = ()

    @cached_property
    def fields(self) -> tuple[str, ...]:
        decayed = tuple(decayed_name(s, h) for h, signals in self.decayed for s in signals)
        return self.least + self.greatest + self.sums + decayed

    @cached_property
    def index(self) -> dict[str, int]:
        """Field name → column."""
        return {name: column for column, name in enumerate(self.fields)}

    @cached_property
    def head(self) -> np.dtype[np.void]:
        """The head as numpy reads it: schema, the length of each list, then the fields as ``x``."""
        counts = ("counts", "<u2", (len(self.lists),))
        return np.dtype([("schema", "<u2"), counts, ("x", "<f8", (len(self.fields),))])

    @cached_property
    def identity(self) -> np.ndarray:
        """The head row that changes nothing when merged; shape (fields,)."""
        row = np.zeros(len(self.fields))
        row[: len(self.least)] = np.inf
        row[len(self.least) : len(self.least) + len(self.greatest)] = -np.inf
        return row

    @cached_property
    def half_lives(self) -> np.ndarray:
        """The half-life in seconds of each decayed column, in column order."""
        return np.array([h for h, signals in self.decayed for _ in signals])

    @cached_property
    def decayed_slice(self) -> slice:
        return slice(len(self.fields) - len(self.half_lives), len(self.fields))

    @cached_property
    def decaying(self) -> tuple[np.ndarray, np.ndarray]:
        """The different half-lives in seconds, and of each decayed column the place of its own."""
        return np.unique(self.half_lives, return_inverse=True)

    @cached_property
    def stamp(self) -> bytes:
        """What a record of this schema begins with."""
        return self.schema.to_bytes(2, "little")

    def current(self, records: Iterable[bytes]) -> list[bytes]:
        """The records, those of an older schema carried over as merge.lua does it.

        Raises StoreMismatch.
        """
        stamp = self.stamp
        return [r if r.startswith(stamp) else self._carried_over(r) for r in records]

    def _carried_over(self, record: bytes) -> bytes:
        schema = int.from_bytes(record[:2], "little")
        fields = dict(self.older).get(schema)
        if fields is None:
            raise StoreMismatch(
                f"a stored {self.name} record has schema {schema}, this streamer reads "
                f"{self.schema}; run the newer streamer on this store"
            )
        start = self.head.itemsize - 8 * len(self.fields)
        stored = np.frombuffer(record, "<f8", len(fields), start)
        row = self.identity.copy()
        for name, value in zip(fields, stored.tolist(), strict=True):
            if name in self.index:
                row[self.index[name]] = value
        tail = record[start + 8 * len(fields) :]
        return self.stamp + record[2:start] + row.astype("<f8").tobytes() + tail

    def identities(self, count: int) -> np.ndarray:
        """So many rows of identity, shape (count, fields)."""
        rows = np.empty((count, len(self.identity)))
        rows[:] = self.identity
        return rows

    def heads(self, count: int) -> np.ndarray:
        """``count`` heads of identity, to be filled."""
        heads = np.zeros(count, self.head)
        heads["schema"] = self.schema
        heads["x"] = self.identity
        return heads


def decayed_name(signal: str, half_life: float) -> str:
    """``purchases`` with a half-life of 7 days is the field ``purchases_168h``."""
    return f"{signal}_{half_life / HOUR:.0f}h"


ITEM = Layout(
    name="item",
    schema=3,
    least=("first_time", "first_purchase_time"),
    greatest=("last_purchase_time", "last_time"),
    sums=(
        "version",
        "aux",
        *BEHAVIOUR_TYPES,
        "quantity",
        "value",
        "returned_value",
        "exposure",
        "sent",
        "rating_sum",
        "rating_count",
        "launches",
    ),
    decayed=(
        (HOUR, ("views", "interest", "purchases")),
        (DAY, ("views", "interest", "purchases", "value", "exposure")),
        (WEEK, ("views", "interest", "purchases", "value", "exposure", "sent")),
        (MONTH, ("interest", "purchases", "value", "exposure", "sent", "launches")),
    ),
    lists=(("buyers", 64), ("users", 64), ("channels", 32), ("days", 32)),
)

KIN = Layout(
    name="kin",
    schema=2,
    least=(),
    greatest=("last_time",),
    sums=("view", "cart", "purchase", "return", "quantity", "value", "exposure", "launches"),
    decayed=(
        (WEEK, ("purchases",)),
        (MONTH, ("purchases", "exposure", "launches")),
    ),
)
"""Of a relative: a seller, brand, department, category, type or channel. Its fields are fields of items."""

_VECTOR = tuple(f"v{i}" for i in range(REVIEW_DIMENSIONS))
_LATELY = tuple(decayed_name(s, h) for h in (WEEK, MONTH) for s in ("reviews", "sentiment"))

REVIEWS = Layout(
    name="reviews",
    schema=2,
    least=(),
    greatest=("last_time",),
    sums=("reviews", "reader", "sentiment_count", "sentiment_sum", *_VECTOR),
    decayed=(
        (WEEK, ("reviews", "sentiment")),
        (MONTH, ("reviews", "sentiment")),
    ),
    older=((1, ("last_time", "reviews", "sentiment_count", "sentiment_sum", *_VECTOR, *_LATELY)),),
)
"""Of one item's reviews as the inference worker read them. ``v*`` is the sum of their vectors and
``reader`` that of `keys.readers` of who read them: a checksum by which a sum over the vectors of
several encoders is known as one."""
