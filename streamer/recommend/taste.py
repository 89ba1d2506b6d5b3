"""What a user turned to lately, and how well items match it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = ("seller", "brand", "department", "category", "type")
PAIRS = (("brand", "category"), ("brand", "type"))
"""A brand means more within a class: who buys its crisps need not want its soap."""
HALF_LIFE_DAYS = 56.0
"""After so long what a user turned to weighs half."""

MATCH = (
    *(f"taste_{kind}" for kind in KINDS),
    *(f"taste_{one}_{other}" for one, other in PAIRS),
    "taste_cosine",
    "taste_price",
    "taste_price_in_category",
    "taste_weight",
)
"""What `match` tells of an item and a user: the decayed count of what the user turned to of the
item's relatives, each as log(1 + n); the cosine of its content with the taste's; its log price less
the mean of what the user turned to, in all and in its category; how much the taste rests on."""

_PRICE_PRIOR = 2.0
"""A mean price is shrunk towards the item's own as if by so many items."""


@dataclass(frozen=True, slots=True)
class Items:
    """Facts of items, a row each: ``kin`` (items, KINDS) numbers each relative, -1 for none;
    ``price_log`` is NaN where there is no price; ``content`` (items, dimensions) has zero rows
    where there is no embedding."""

    kin: Ints
    price_log: Floats
    content: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.kin)

    def take(self, places: Ints) -> Items:
        return Items(self.kin[places], self.price_log[places], self.content[places])


@dataclass(frozen=True, slots=True)
class Taste:
    """The items that a user turned to lately, each of ``weight`` (items,)."""

    items: Items
    weight: Floats

    @classmethod
    def of(cls, items: Items, age_days: Floats) -> Taste:
        """``age_days`` says how long ago the user turned to each item."""
        return cls(items, 0.5 ** (age_days / HALF_LIFE_DAYS))

    @property
    def vector(self) -> NDArray[np.float32]:
        """The direction of what the user turned to, (dimensions,); zeros for nothing."""
        towards: NDArray[np.float32] = self.weight.astype(np.float32) @ self.items.content
        length = np.linalg.norm(towards)
        return towards / length if length else towards


def match(items: Items, taste: Taste) -> Floats:
    """How each item matches the taste, shape (items, MATCH)."""
    found = np.empty((len(items), len(MATCH)))
    mine, theirs = _relatives(items), _relatives(taste.items)
    for column in range(mine.shape[1]):
        found[:, column] = _turned_to(mine[:, column], theirs[:, column], taste.weight)
    found[:, -1] = taste.weight.sum()
    counts = [*range(mine.shape[1]), -1]
    found[:, counts] = np.log1p(found[:, counts])
    found[:, -4] = items.content @ taste.vector
    found[:, -3], found[:, -2] = _price_distances(items, taste)
    return found


def _relatives(items: Items) -> Ints:
    """The kin and the pairs of kin, numbered, (items, KINDS + PAIRS)."""
    columns = [items.kin[:, place] for place in range(len(KINDS))]
    for names in PAIRS:
        one, other = (items.kin[:, KINDS.index(name)] for name in names)
        columns.append(np.where((one < 0) | (other < 0), -1, (one << 32) + other))
    return np.stack(columns, axis=1)


def _turned_to(mine: Ints, theirs: Ints, weight: Floats) -> Floats:
    """The weight of those of ``theirs`` that equal each of ``mine``, (mine,)."""
    if not len(theirs):
        return np.zeros(len(mine))
    known, place = np.unique(theirs, return_inverse=True)
    at = np.minimum(np.searchsorted(known, mine), len(known) - 1)
    total = np.bincount(place, weight)
    return np.where((known[at] == mine) & (mine >= 0), total[at], 0.0)


def _price_distances(items: Items, taste: Taste) -> tuple[Floats, Floats]:
    """Of each item, from what was paid in all and in its category; 0 where a price is missing."""
    priced = ~np.isnan(taste.items.price_log)
    price, weight = taste.items.price_log[priced], taste.weight[priced]
    category = KINDS.index("category")
    mine, theirs = items.kin[:, category], taste.items.kin[priced, category]
    paid = _turned_to(mine, theirs, weight * price)
    count = _turned_to(mine, theirs, weight)
    own = np.nan_to_num(items.price_log)
    known = ~np.isnan(items.price_log)
    overall = (own * weight.sum() - weight @ price) / (weight.sum() + _PRICE_PRIOR)
    within = (own * count - paid) / (count + _PRICE_PRIOR)
    return np.where(known, overall, 0.0), np.where(known, within, 0.0)
