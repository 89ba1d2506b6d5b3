"""Behaviour events as arrays, one row an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import cast

import numpy as np
from numpy.typing import NDArray

from streamer.events import BEHAVIOUR_TYPES, Behaviour
from streamer.state.keys import channels
from streamer.state.layout import AMOUNT_UNIT
from streamer.state.remembered import Remembered

TYPE_CODES = {name: code for code, name in enumerate(BEHAVIOUR_TYPES)}
SENT_SURFACES = frozenset({"email", "mailer", "push", "sms"})
"""Surfaces on which the shop goes to the shopper; on every other one the shopper comes to it."""

NOBODY = 0
"""Stands for a user or channel that an event does not name."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Pseudonyms(Remembered[str, int]):
    """Users as the state knows them: 64 bits of a keyed hash (BLAKE2b, RFC 7693), never the id."""

    def __init__(self, secret: str) -> None:
        key = blake2b(secret.encode()).digest()

        def pseudonym(user_id: str) -> int:
            digest = blake2b(user_id.encode(), key=key, digest_size=8).digest()
            return int.from_bytes(digest, "big")

        super().__init__(pseudonym, size=100_000)


@dataclass(slots=True)
class Columns:
    """Rows of events. ``item`` is a place among the batch's items, ``range`` among its ranges;
    amounts are whole numbers of AMOUNT_UNIT; ``rating`` is NaN and ``user`` and ``channel`` are
    NOBODY where an event has none."""

    item: Ints
    type: Ints
    time: Floats
    offset: Ints
    range: Ints
    quantity: Floats
    value: Floats
    rating: Floats
    exposure: Floats
    sent: NDArray[np.bool_]
    user: NDArray[np.uint64]
    channel: Ints

    def __len__(self) -> int:
        return len(self.item)

    def where(self, mask: NDArray[np.bool_]) -> Columns:
        """The rows for which the mask holds."""
        if mask.all():
            return self
        return Columns(*(getattr(self, name)[mask] for name in self.__slots__))


def columns(
    events: Sequence[Behaviour],
    offsets: Ints,
    ranges: Ints,
    places: Mapping[str, int],
    pseudonyms: Pseudonyms,
) -> Columns:
    """The columns of events whose items have these places. Exposure is what the event's
    impressions count once position is allowed for: an item at rank r is examined with probability
    1/log2(1 + r), the discount of DCG (Järvelin & Kekäläinen, 2002)."""
    count = len(events)
    positions = [e.position for e in events]
    quantity = np.rint(_floats([e.quantity for e in events], 0.0) / AMOUNT_UNIT)
    return Columns(
        item=_ints(map(places.__getitem__, [e.item_id for e in events]), count),
        type=_ints(map(TYPE_CODES.__getitem__, [e.type for e in events]), count),
        time=_floats([e.time for e in events], 0.0),
        offset=offsets,
        range=ranges,
        quantity=quantity,
        value=np.rint(_floats([e.value for e in events], 0.0) / AMOUNT_UNIT),
        rating=_floats([e.rating for e in events], np.nan),
        exposure=quantity if _absent(positions) else np.rint(quantity * _examined(positions)),
        sent=_ints(map(SENT_SURFACES.__contains__, [e.surface for e in events]), count) > 0,
        user=_hashes([e.user_id for e in events], pseudonyms),
        channel=_hashes([e.channel for e in events], channels).astype(np.int64),
    )


def _examined(positions: list[int | None]) -> Floats:
    return 1 / np.log2(1 + _floats(positions, 1.0))


def _absent(values: Sequence[object]) -> bool:
    return values.count(None) == len(values)


def _ints(values: Iterable[int], count: int) -> Ints:
    return np.fromiter(values, np.int64, count)


def _floats(values: Sequence[float | None], default: float) -> Floats:
    missing = values.count(None)
    if missing == len(values):
        return np.full(len(values), default)
    if missing:
        values = [default if v is None else v for v in values]
    return np.fromiter(values, np.float64, len(values))


def _hashes(names: list[str | None], hashes: Remembered[str, int]) -> NDArray[np.uint64]:
    missing = names.count(None)
    if missing == len(names):
        return np.zeros(len(names), np.uint64)
    if missing:
        found: Iterable[int] = [NOBODY if name is None else hashes[name] for name in names]
    else:
        found = map(hashes.__getitem__, cast(list[str], names))
    return np.fromiter(found, np.uint64, len(names))
