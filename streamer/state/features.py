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
from streamer.state.merge import by_field, field_at_time
from streamer.state.store import Store
from streamer.state.touched import Touched

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Fields = Mapping[str, Floats]
"""Fields by name as of now: those of items (items,), those of their relatives (kinds, items)."""

_LAST_TIME = ITEM.index["last_time"]
_CHANNELS = slots_of("channels")
_COUNTED = ("purchase", "purchases_672h", "purchases_168h", "launches", "launches_672h")
"""Of a relative what its first features count."""
_ACTS = ("view", "cart", "purchase", "return")
"""Of a relative what tells which share is usual."""
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
_CARRIED = EXPOSURE.index("channels")
"""From here on it is said where an item is carried: NaN if nowhere, but for the count itself."""
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
    now = np.full(len(items), now, np.float64)
    x = by_field(ITEM, items.x.T, np.maximum(now, items.x[:, _LAST_TIME]))
    rows = kin.relatives(items.families).T
    relatives = by_field(KIN, kin.x.take(rows, axis=0).transpose(2, 0, 1), now)
    blocks = [
        _price(items, x, relatives),
        _family(relatives),
        _exposure(items, x, kin, now),
        _behaviour(items, x, relatives, now),
        _reviews(items, x, now, fingerprint),
    ]
    content = _content(items, fingerprint, dimensions)
    return Features(np.concatenate(blocks).T, content)


async def ensure_kin(items: Touched, kin: KinTable, store: Store) -> None:
    """Has at hand the relatives whose state the items' features read. Raises redis errors."""
    await kin.ensure(store, items.families, _channels(items)[0])


def launch_times(items: Touched) -> Floats:
    """When each item was launched: by the catalogue, or else its first event; NaN for neither."""
    first = items.x[:, ITEM.index["first_time"]]
    launch = items.beside["launch"]
    return np.where(np.isnan(launch), np.where(np.isfinite(first), first, np.nan), launch)


def _log(amount: Floats) -> Floats:
    return np.log1p(np.maximum(amount, 0.0))


def _ratio(part: Floats, whole: Floats, prior: float | Floats, weight: float) -> Floats:
    """part / whole, shrunk towards ``prior`` as if by ``weight`` earlier observations."""
    return (part + prior * weight) / (whole + weight)


def _stack(rows: Sequence[Floats]) -> Floats:
    return np.concatenate(rows).reshape(len(rows), *rows[0].shape)


def _price(items: Touched, x: Fields, relatives: Fields) -> Floats:
    price = items.beside["price"]
    log_price = np.log(np.maximum(price, 0.01))
    usual = relatives["value"] / np.maximum(relatives["quantity"], 1.0)
    to_relatives = log_price - np.log(np.where(usual > 0, usual, np.nan))
    paid = x["value"] / np.maximum(x["quantity"], 1.0)
    known = (paid > 0) & (price > 0)
    discount = np.maximum(1 - paid / np.where(known, price, 1.0), -1.0)
    return _stack([log_price, *to_relatives, np.where(known, discount, np.nan)])


def _family(relatives: Fields) -> Floats:
    """By kind, and of each kind by name."""
    exposure = relatives["exposure_672h"] * AMOUNT_UNIT
    *counts, shown = _log(_stack([*(relatives[name] for name in _COUNTED), exposure]))
    per_launch = counts[_COUNTED.index("purchase")] - counts[_COUNTED.index("launches")]
    momentum = _momentum(relatives["purchases_168h"], relatives["purchases_672h"])
    block = _stack([*counts, per_launch, momentum, shown])
    block[:, ~np.isfinite(relatives["last_time"])] = np.nan
    return np.concatenate(block.swapaxes(0, 1))


def _momentum(week: Floats, month: Floats) -> Floats:
    """How the purchases of the last week compare with those of the last four, 0 when steady."""
    return np.log((week + 0.5) / (month / 4 + 0.5))


def _exposure(items: Touched, x: Fields, kin: KinTable, now: Floats) -> Floats:
    hashed, owner = _channels(items)
    rows, count = kin.channel_rows(hashed), items.distinct("channels")
    lately = field_at_time(KIN, kin.x, rows, "purchases_672h", now[owner])
    ever = kin.x[rows, KIN.index["purchase"]]
    shown = _stack([x[name] for name in EXPOSURE[:_CARRIED]]) * AMOUNT_UNIT
    carried = [_over_channels(sales, owner, count) for sales in (lately, ever)]
    block = _log(_stack([*shown, count, *chain.from_iterable(carried)]))
    block[_CARRIED + 1 :, count == 0] = np.nan
    return block


def _over_channels(sales: Floats, owner: Ints, count: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, maximum and sum of what the channels of each item sell. The sum is of all ``count``
    channels, the others of those listed."""
    listed = np.bincount(owner, minlength=len(count))
    mean = np.bincount(owner, weights=sales, minlength=len(count)) / np.maximum(listed, 1)
    largest = np.zeros(len(count))
    np.maximum.at(largest, owner, sales)
    return mean, largest, mean * count


def _channels(items: Touched) -> tuple[Ints, Ints]:
    """Every listed channel of every item, and whose it is."""
    slots = items.records.slots[:, _CHANNELS]
    owner, place = np.nonzero(slots != EMPTY)
    return slots[owner, place].astype(np.int64), owner


def _behaviour(items: Touched, x: Fields, relatives: Fields, now: Floats) -> Floats:
    interest = x["click"] + x["favourite"] + x["cart"] + x["share"]
    engaged = x["view"] + interest + x["purchase"]
    buyers, bought = items.distinct("buyers"), x["purchase"] > 0
    last = x["last_purchase_time"]
    amounts = {name: x[name] for name in BEHAVIOUR if name in x} | {
        "age_log_hours": (now - launch_times(items)) / HOUR,
        "views": x["view"],
        "interest": interest,
        "purchases": x["purchase"],
        "buyers": buyers,
        "users": items.distinct("users"),
        "days": items.listed("days"),
        "quantity": x["quantity"] * AMOUNT_UNIT,
        "value": x["value"] * AMOUNT_UNIT,
        "value_168h": x["value_168h"] * AMOUNT_UNIT,
        "since_purchase_log_hours": np.where(bought, now - last, np.nan) / HOUR,
        "purchase_span_log_hours": np.where(bought, last - x["first_purchase_time"], np.nan) / HOUR,
    }
    logs = dict(zip(amounts, _log(_stack([*amounts.values()])), strict=True))
    bought_usually, returned_usually = _usual_shares(x, relatives)
    columns = logs | {
        "repeat": np.where(
            bought, np.where(buyers > 0, logs["purchases"] - logs["buyers"], np.nan), 0.0
        ),
        "quantity_per_purchase": np.where(bought, logs["quantity"] - logs["purchases"], 0.0),
        "conversion": np.where(
            x["view"] + interest > 0,
            _ratio(x["purchase"], engaged, bought_usually, 20.0),
            np.nan,
        ),
        "clicks_to_exposure": np.where(
            x["click"] > 0, _ratio(x["click"], x["exposure"] * AMOUNT_UNIT, 0.02, 50.0), np.nan
        ),
        "returns_share": _ratio(x["return"], x["purchase"], returned_usually, 20.0),
        "hides_share": _ratio(x["hide"], engaged, 0.0, 20.0),
        "momentum": _momentum(x["purchases_168h"], x["purchases_672h"]),
    }
    return _stack([columns[name] for name in BEHAVIOUR])


def _usual_shares(x: Fields, relatives: Fields) -> Floats:
    """Of those who were interested, and of what was bought, which share is bought and returned
    among an item's relatives, itself left out; shape (2, items).

    Empirical Bayes from the widest to the narrowest, each shrunk towards the one before it and the
    first towards a guess (Efron and Morris, 1975). Seller and brand come first, since a class says
    more of what is done there."""
    others = {name: np.maximum(relatives[name] - x[name], 0.0) for name in _ACTS}
    engaged = others["view"] + others["cart"] + others["purchase"]
    parts = _stack([others["purchase"], others["return"]])
    wholes = _stack([engaged, others["purchase"]])
    usual = np.array([[0.05], [0.0]])
    for kind in range(len(KIN_KINDS)):
        usual = _ratio(parts[:, kind], wholes[:, kind], usual, _RELATIVES_WEIGHT)
    return usual


def _reviews(items: Touched, x: Fields, now: Floats, fingerprint: str) -> Floats:
    ratings = x["rating_count"]
    rating = x["rating_sum"] * AMOUNT_UNIT / np.maximum(ratings, 1.0)
    out = np.full((len(REVIEW), len(items)), np.nan)
    out[REVIEW.index("reviews")] = 0.0
    out[REVIEW.index("rating")] = np.where(ratings > 0, rating, np.nan)
    out[REVIEW.index("ratings")] = _log(ratings)
    reviewed = np.flatnonzero(items.beside["reviewed"])
    if len(reviewed):
        stored = np.stack([items.known[place].reviews for place in reviewed.tolist()])  # type: ignore[misc]
        _read(stored, now[reviewed], readers[fingerprint], out, reviewed)
    return out


def _read(stored: Floats, now: Floats, reader: int, out: Floats, places: Ints) -> None:
    """Fills in what the inference worker read in the reviews of the items at these places; their
    vectors only where ``reader`` has read all of them."""
    last, first = REVIEWS.index["last_time"], REVIEWS.index["v0"]
    x = by_field(REVIEWS, stored.T, np.maximum(now, stored[:, last]))
    count, judged = x["reviews"], x["sentiment_count"]
    sentiment = _ratio(x["sentiment_sum"] * AMOUNT_UNIT, judged, 0.7, 3.0)
    lately = _ratio(x["sentiment_168h"] * AMOUNT_UNIT, x["reviews_168h"], 0.7, 3.0)
    vectors = stored[:, first : first + REVIEW_DIMENSIONS].T * REVIEW_VECTOR_UNIT
    whole = (count > 0) & (x["reader"] == count * reader)
    out[REVIEW.index("reviews"), places] = _log(count)
    out[REVIEW.index("sentiment"), places] = np.where(judged > 0, sentiment, np.nan)
    out[REVIEW.index("sentiment_168h"), places] = np.where(judged > 0, lately, np.nan)
    out[REVIEW.index("review_v0") :, places] = np.where(
        whole, vectors / np.maximum(count, 1.0), np.nan
    )


def _content(items: Touched, fingerprint: str, dimensions: int) -> NDArray[np.float32]:
    """A vector that is not as long as those of its encoder is none."""
    content = np.full((len(items), dimensions), np.nan, np.float32)
    vectors = {
        row: vector
        for row, known in enumerate(items.known)
        if known.content is not None
        and len(vector := known.content.vectors.get(fingerprint, b"")) == 2 * dimensions
    }
    content[[*vectors]] = singles(b"".join(vectors.values())).reshape(-1, dimensions)
    return content


def singles(halves: bytes) -> NDArray[np.float32]:
    """Finite float16 as float32, several times faster than numpy converts them: their bits moved
    to where they belong, and the difference of the exponents' biases, 127 - 15, multiplied in."""
    bits = np.frombuffer(halves, "<i2").astype(np.int32)
    bits <<= 13
    bits &= ~0x70000000
    found = bits.view(np.float32)
    found *= np.float32(2.0**112)
    return found
