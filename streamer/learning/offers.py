"""What could be recommended to whom at a moment, and what came of it: pairs of items and users.

Negatives are in-time: items that were new and on sale at that moment and that the user did not buy
in the days after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.learning.dataset import Dataset
from streamer.learning.shopping import Shopping
from streamer.recommend.taste import Items, Taste, match
from streamer.state.features import FEATURES
from streamer.state.keys import KIN_KINDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEW_DAYS = 28.0
"""How long after its launch an item is offered as new."""
HORIZON_DAYS = 7.0
"""In so many days after the moment a user may buy what is recommended."""
ACTIVE_DAYS = 28.0
"""Lists are made for users who bought something in so many days before the moment."""
KEPT_NEGATIVES = 0.004

OFFERED = (
    "age_log_hours",
    "buyers",
    "purchases",
    "purchases_168h",
    "purchases_24h",
    "channels",
    "exposure_168h",
    *(f"{kind}_purchases_672h" for kind in KIN_KINDS),
)
"""What is read of an item beside the predictor's logit."""
_COLUMNS = [FEATURES.index(name) for name in OFFERED]


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """The items that are new on ``day``: their ``places`` in `Shopping`, facts, and ``features``
    (items, 1 + OFFERED), the predictor's logit first."""

    day: float
    places: Ints
    items: Items
    features: Floats

    def feature(self, name: str) -> Floats:
        return self.features[:, 1 + OFFERED.index(name)]

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A user at the moment of an offer: which items are ``open``, not bought before, and which of
    these are ``bought`` within the horizon, (items,) each."""

    user: int
    taste: Taste
    open: Flags
    bought: Flags


def offers(data: Dataset, logit: Floats, shopping: Shopping, days: Sequence[float]) -> list[Offer]:
    """What is on offer on each of the days, of looks taken at these moments; in an order that says
    nothing."""
    places = {item_id: place for place, item_id in enumerate(shopping.item_ids)}
    at = np.array([places[item_id] for item_id in data.item.tolist()], np.int64)
    features = np.column_stack([logit, data.x[:, _COLUMNS]])
    shuffled = np.random.default_rng(0).permutation(len(data))
    moment = (data.launch_day + data.age)[shuffled]
    found = []
    for day in days:
        rows = shuffled[np.abs(moment - day) < 1e-3]
        found.append(Offer(day, at[rows], shopping.items.take(at[rows]), features[rows]))
    return found


def turns(shopping: Shopping, offer: Offer, remembered: int) -> Iterator[Turn]:
    """Every user who was active before the moment; ``remembered`` items make a taste."""
    row = np.full(len(shopping.item_ids), -1)
    row[offer.places] = np.arange(len(offer))
    for user in shopping.users:
        active = shopping.within(user, offer.day - ACTIVE_DAYS, offer.day)
        if active.start < active.stop:
            item, day = shopping.latest(user, offer.day, remembered)
            taste = Taste.of(shopping.items.take(item), offer.day - day)
            past = shopping.within(user, -np.inf, offer.day)
            after = shopping.within(user, offer.day, offer.day + HORIZON_DAYS)
            still_open = ~_flags(row, shopping.item[past], len(offer))
            yield Turn(
                user, taste, still_open, still_open & _flags(row, shopping.item[after], len(offer))
            )


def pairs(shopping: Shopping, offers: Sequence[Offer], remembered: int) -> tuple[Floats, Flags]:
    """Examples (pairs, features of item and match) and whether each was bought: all that were, and
    KEPT_NEGATIVES of those that were not."""
    rng = np.random.default_rng(0)
    x, label = [], []
    for offer in offers:
        for turn in turns(shopping, offer, remembered):
            kept = turn.bought | (turn.open & (rng.random(len(offer)) < KEPT_NEGATIVES))
            places = np.flatnonzero(kept)
            x.append(pair_features(offer, places, turn.taste))
            label.append(turn.bought[places])
    return np.concatenate(x), np.concatenate(label)


def pair_features(offer: Offer, places: Ints, taste: Taste) -> Floats:
    return np.hstack([offer.features[places], match(offer.items.take(places), taste)])


def _flags(row: Ints, bought: Ints, size: int) -> Flags:
    """Which rows of the offer were bought."""
    flags = np.zeros(size, bool)
    flags[row[bought][row[bought] >= 0]] = True
    return flags
