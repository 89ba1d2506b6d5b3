"""From state to what the predictor reads: one row of features an item, as of one moment.

This is the only implementation of a feature: live scoring, replayed training data and explanations
all come through here. Counts enter as log(1 + n). A feature whose source is not there yet (no
review, no price, no relative) is NaN; the predictor masks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from streamer.events import REVIEW_DIMENSIONS, REVIEW_VECTOR_UNIT
from streamer.state.keys import KIN_KINDS, readers
from streamer.state.kin import KinTable
from streamer.state.layout import AMOUNT_UNIT, HOUR, ITEM, KIN, REVIEWS
from streamer.state.members import EMPTY, slots_of
from streamer.state.merge import at_time, field_at_time
from streamer.state.store import Store
from streamer.state.touched import Touched

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_AT = ITEM.index
_OF = KIN.index
_CHANNELS = slots_of("channels")
_ENGAGED = ("view", "cart", "purchase")
"""What relatives remember of those who were interested."""
_RELATIVES_WEIGHT = 100.0
"""Observations that what is usual among wider relatives counts for beside those of narrower ones."""

PRICE = ("price_log", *(f"price_to_{kind}" for kind in KIN_KINDS), "discount")
FAMILY = tuple(
    f"{kind}_{name}"
    for kind in KIN_KINDS
    for name in (
        "purchases",
        "purchases_672h",
        "purchases_168h",
        "launches",
        "launches_672h",
        "per_launch",
        "momentum",
        "exposure_672h",
    )
)
EXPOSURE = (
    "exposure",
    "exposure_24h",
    "exposure_168h",
    "exposure_672h",
    "sent",
    "sent_168h",
    "sent_672h",
    "channels",
    "channel_sales_mean",
    "channel_sales_max",
    "channel_sales_sum",
    "channel_size_mean",
    "channel_size_max",
    "channel_size_sum",
)
BEHAVIOUR = (
    "age_log_hours",
    "views",
    "views_1h",
    "views_24h",
    "views_168h",
    "interest",
    "interest_24h",
    "interest_168h",
    "interest_672h",
    "purchases",
    "purchases_1h",
    "purchases_24h",
    "purchases_168h",
    "purchases_672h",
    "buyers",
    "users",
    "repeat",
    "days",
    "quantity_per_purchase",
    "value",
    "value_168h",
    "conversion",
    "clicks_to_exposure",
    "returns_share",
    "hides_share",
    "since_purchase_log_hours",
    "purchase_span_log_hours",
    "momentum",
)
REVIEW = (
    "reviews",
    "sentiment",
    "sentiment_168h",
    "rating",
    "ratings",
    *(f"review_v{i}" for i in range(REVIEW_DIMENSIONS)),
)

MODALITIES: dict[str, tuple[str, ...]] = {
    "price": PRICE,
    "family": FAMILY,
    "exposure": EXPOSURE,
    "behaviour": BEHAVIOUR,
    "reviews": REVIEW,
}
"""The features of each modality; the content vector is a modality of its own."""
FEATURES: tuple[str, ...] = tuple(chain.from_iterable(MODALITIES.values()))
MODALITY = np.array([place for place, names in enumerate(MODALITIES.values()) for _ in names])
"""Of which modality each feature is, by its place among them."""
FIRST_VERSION = 1
VERSIONS: dict[str, int] = dict.fromkeys(FEATURES, FIRST_VERSION) | {
    "conversion": 3,
    "returns_share": 3,
}
"""Which definition each feature has. Whoever changes what one says of the same events raises its
number: what has learnt the former definition is refused from then on."""


@dataclass(slots=True)
class Features:
    """``x`` has shape (items, len(FEATURES)), ``content`` (items, dimensions) with rows of NaN
    where there is no embedding yet."""

    x: Floats
    content: NDArray[np.float32]

    @property
    def described(self) -> NDArray[np.bool_]:
        """Of which items there is an embedding, shape (items,)."""
        return ~np.isnan(self.content[:, 0])


def features(
    items: Touched, kin: KinTable, now: float | Floats, fingerprint: str, dimensions: int
) -> Features:
    """The features of the items at ``now`` (stream time, seconds; one for all, or one an item),
    their content as the encoder of ``fingerprint`` read it.

    What another worker has applied from ahead of ``now`` counts as if it happened now."""
    now = np.broadcast_to(np.asarray(now, np.float64), len(items))
    decayed = at_time(ITEM, items.x, np.maximum(now, items.x[:, _AT["last_time"]]))
    relatives = kin.relatives(items.families)
    blocks = [
        _price(items, decayed, kin, relatives),
        _family(relatives, kin, now),
        _exposure(items, decayed, kin, now),
        _behaviour(items, decayed, kin, relatives, now),
        _reviews(items, decayed, now, fingerprint),
    ]
    content = _content(items, fingerprint, dimensions)
    return Features(np.concatenate(blocks, axis=1), content)


async def ensure_kin(items: Touched, kin: KinTable, store: Store) -> None:
    """Has at hand the relatives whose state the items' features read. Raises redis errors."""
    await kin.ensure(store, items.families, _channels(items)[0])


def launch_times(items: Touched) -> Floats:
    """When each item was launched: by the catalogue, or else its first event; NaN for neither."""
    first = items.x[:, _AT["first_time"]]
    launch = items.beside["launch"]
    return np.where(np.isnan(launch), np.where(np.isfinite(first), first, np.nan), launch)


def _log(amount: Floats) -> Floats:
    return np.log1p(np.maximum(amount, 0.0))


def _ratio(part: Floats, whole: Floats, prior: float | Floats, weight: float) -> Floats:
    """part / whole, shrunk towards ``prior`` as if by ``weight`` earlier observations."""
    return (part + prior * weight) / (whole + weight)


def _stack(columns: Sequence[Floats]) -> Floats:
    return np.stack(columns, axis=1)


def _price(items: Touched, x: Floats, kin: KinTable, relatives: Ints) -> Floats:
    price = items.beside["price"]
    log_price = np.log(np.maximum(price, 0.01))
    columns = [log_price]
    for rows in relatives.T:
        usual = kin.x[rows, _OF["value"]] / np.maximum(kin.x[rows, _OF["quantity"]], 1.0)
        usual = np.where(usual > 0, usual, np.nan)
        columns.append(log_price - np.log(usual))
    paid = x[:, _AT["value"]] / np.maximum(x[:, _AT["quantity"]], 1.0)
    known = (paid > 0) & (price > 0)
    discount = 1 - paid / np.where(known, price, 1.0)
    columns.append(np.where(known, np.clip(discount, -1, 1), np.nan))
    return _stack(columns)


def _family(relatives: Ints, kin: KinTable, now: Floats) -> Floats:
    """What is said of each relative is worked out once for all items that share it at a time."""
    moments, moment = np.unique(now, return_inverse=True) if now.strides != (0,) else (now[:1], 0)
    pair = relatives * len(moments) + np.reshape(moment, (-1, 1))
    pairs, place = np.unique(pair, return_inverse=True)
    block = _relative(kin.x[pairs // len(moments)], moments[pairs % len(moments)])
    return block[place].reshape(len(relatives), len(FAMILY))


def _relative(stored: Floats, now: Floats) -> Floats:
    x = at_time(KIN, stored, now)
    purchases, launches = x[:, _OF["purchase"]], x[:, _OF["launches"]]
    block = _stack(
        [
            _log(purchases),
            _log(x[:, _OF["purchases_672h"]]),
            _log(x[:, _OF["purchases_168h"]]),
            _log(launches),
            _log(x[:, _OF["launches_672h"]]),
            _log(purchases) - _log(launches),
            _momentum(x[:, _OF["purchases_168h"]], x[:, _OF["purchases_672h"]]),
            _log(x[:, _OF["exposure_672h"]] * AMOUNT_UNIT),
        ]
    )
    block[~np.isfinite(stored[:, _OF["last_time"]])] = np.nan
    return block


def _momentum(week: Floats, month: Floats) -> Floats:
    """How the purchases of the last week compare with those of the last four, 0 when steady."""
    return np.log((week + 0.5) / (month / 4 + 0.5))


def _exposure(items: Touched, x: Floats, kin: KinTable, now: Floats) -> Floats:
    shown = [_log(x[:, _AT[name]] * AMOUNT_UNIT) for name in EXPOSURE[: EXPOSURE.index("channels")]]
    hashed, owner = _channels(items)
    rows, count = kin.channel_rows(hashed), items.distinct("channels")
    lately = field_at_time(KIN, kin.x, rows, "purchases_672h", now[owner])
    ever = kin.x[rows, _OF["purchase"]]
    carried = [_over_channels(sales, owner, count) for sales in (lately, ever)]
    return _stack([*shown, _log(count), *chain.from_iterable(carried)])


def _over_channels(sales: Floats, owner: Ints, count: Floats) -> list[Floats]:
    """Mean, maximum and sum of what the channels of each item sell; NaN for an item that is
    carried nowhere. The sum is of all ``count`` channels, the others of those listed."""
    listed = np.bincount(owner, minlength=len(count)).astype(np.float64)
    total = np.bincount(owner, weights=sales, minlength=len(count))
    largest = np.zeros(len(count))
    np.maximum.at(largest, owner, sales)
    mean = np.divide(total, listed, out=np.zeros(len(count)), where=listed > 0)
    return [np.where(count == 0, np.nan, _log(of)) for of in (mean, largest, mean * count)]


def _channels(items: Touched) -> tuple[Ints, Ints]:
    """Every listed channel of every item, and whose it is."""
    slots = items.records.slots[:, _CHANNELS]
    owner, place = np.nonzero(slots != EMPTY)
    return slots[owner, place].astype(np.int64), owner


def _behaviour(items: Touched, x: Floats, kin: KinTable, relatives: Ints, now: Floats) -> Floats:
    at = {name: x[:, column] for name, column in _AT.items()}
    usual = _Usual(at, kin, relatives)
    interest = at["click"] + at["favourite"] + at["cart"] + at["share"]
    engaged = at["view"] + interest + at["purchase"]
    buyers = items.distinct("buyers")
    hours = np.maximum(now - launch_times(items), 0.0) / HOUR
    since = (now - at["last_purchase_time"]) / HOUR
    span = (at["last_purchase_time"] - at["first_purchase_time"]) / HOUR
    bought = at["purchase"] > 0
    columns = {
        "age_log_hours": _log(hours),
        "views": _log(at["view"]),
        "interest": _log(interest),
        "purchases": _log(at["purchase"]),
        "buyers": _log(buyers),
        "users": _log(items.distinct("users")),
        "repeat": np.where(
            bought, np.where(buyers > 0, _log(at["purchase"]) - _log(buyers), np.nan), 0.0
        ),
        "days": _log(items.listed("days")),
        "quantity_per_purchase": np.where(
            bought, _log(at["quantity"] * AMOUNT_UNIT) - _log(at["purchase"]), 0.0
        ),
        "value": _log(at["value"] * AMOUNT_UNIT),
        "value_168h": _log(at["value_168h"] * AMOUNT_UNIT),
        "conversion": np.where(
            at["view"] + interest > 0,
            _ratio(at["purchase"], engaged, usual("purchase", _ENGAGED, 0.05), 20.0),
            np.nan,
        ),
        "clicks_to_exposure": np.where(
            at["click"] > 0, _ratio(at["click"], at["exposure"] * AMOUNT_UNIT, 0.02, 50.0), np.nan
        ),
        "returns_share": _ratio(
            at["return"], at["purchase"], usual("return", ("purchase",), 0.0), 20.0
        ),
        "hides_share": _ratio(at["hide"], engaged, 0.0, 20.0),
        "since_purchase_log_hours": np.where(bought, _log(np.where(bought, since, 0.0)), np.nan),
        "purchase_span_log_hours": np.where(bought, _log(np.where(bought, span, 0.0)), np.nan),
        "momentum": _momentum(at["purchases_168h"], at["purchases_672h"]),
    }
    return _stack([columns.get(n, _log(at[n]) if n in at else hours) for n in BEHAVIOUR])


class _Usual:
    """What share is usual among an item's relatives, itself left out: empirical Bayes from the
    widest to the narrowest, each shrunk towards the one before it and the first towards a guess
    (Efron and Morris, 1975). Seller and brand come first, since a class says more of what is done
    there."""

    def __init__(self, at: Mapping[str, Floats], kin: KinTable, relatives: Ints) -> None:
        self._at, self._kin, self._relatives = at, kin, relatives

    def __call__(self, part: str, whole: Sequence[str], guess: float) -> Floats:
        usual = np.full(len(self._relatives), guess)
        for rows in self._relatives.T:
            among = [self._others(name, rows) for name in (part, *whole)]
            usual = _ratio(among[0], np.add.reduce(among[1:]), usual, _RELATIVES_WEIGHT)
        return usual

    def _others(self, name: str, rows: Ints) -> Floats:
        others: Floats = np.maximum(self._kin.x[rows, _OF[name]] - self._at[name], 0.0)
        return others


def _reviews(items: Touched, x: Floats, now: Floats, fingerprint: str) -> Floats:
    ratings = x[:, _AT["rating_count"]]
    rating = x[:, _AT["rating_sum"]] * AMOUNT_UNIT / np.maximum(ratings, 1.0)
    out = np.full((len(items), len(REVIEW)), np.nan)
    out[:, REVIEW.index("reviews")] = 0.0
    out[:, REVIEW.index("rating")] = np.where(ratings > 0, rating, np.nan)
    out[:, REVIEW.index("ratings")] = _log(ratings)
    reviewed = np.flatnonzero(items.beside["reviewed"])
    if len(reviewed):
        stored = np.stack([items.known[place].reviews for place in reviewed.tolist()])  # type: ignore[misc]
        _read(stored, now[reviewed], readers[fingerprint], out, reviewed)
    return out


def _read(stored: Floats, now: Floats, reader: int, out: Floats, rows: Ints) -> None:
    """Fills in what the inference worker read in the reviews of the items in these rows; their
    vectors only where ``reader`` has read all of them."""
    at = REVIEWS.index
    decayed = at_time(REVIEWS, stored, np.maximum(now, stored[:, at["last_time"]]))
    count, judged = stored[:, at["reviews"]], stored[:, at["sentiment_count"]]
    sentiment = _ratio(stored[:, at["sentiment_sum"]] * AMOUNT_UNIT, judged, 0.7, 3.0)
    lately = _ratio(
        decayed[:, at["sentiment_168h"]] * AMOUNT_UNIT, decayed[:, at["reviews_168h"]], 0.7, 3.0
    )
    vectors = stored[:, at["v0"] : at["v0"] + REVIEW_DIMENSIONS] * REVIEW_VECTOR_UNIT
    whole = (count > 0) & (stored[:, at["reader"]] == count * reader)
    mean = np.where(whole[:, None], vectors / np.maximum(count, 1.0)[:, None], np.nan)
    out[rows, REVIEW.index("reviews")] = _log(count)
    out[rows, REVIEW.index("sentiment")] = np.where(judged > 0, sentiment, np.nan)
    out[rows, REVIEW.index("sentiment_168h")] = np.where(judged > 0, lately, np.nan)
    out[rows, REVIEW.index("review_v0") :] = mean


def _content(items: Touched, fingerprint: str, dimensions: int) -> NDArray[np.float32]:
    """A vector that is not as long as those of its encoder is none."""
    content = np.full((len(items), dimensions), np.nan, np.float32)
    for row in np.flatnonzero(items.beside["described"]).tolist():
        found = items.known[row].content
        vector = found.vectors.get(fingerprint) if found else None
        if vector is not None and len(vector) == 2 * dimensions:
            content[row] = np.frombuffer(vector, "<f2")
    return content
