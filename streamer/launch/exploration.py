"""Lists that are drawn instead of sorted, and how likely each item was where it came.

A list is drawn by adding to each logit its uncertainty times a standard normal and sorting
(Thompson sampling; Thompson, 1933). How often an item comes to a place in many such lists is the
probability with which it is shown there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 1000
"""Lists by which probabilities are told, so none of what was shown is below 1 in 1,000."""
AMONG_ITEMS = 1000
"""Of so many of a board's items, the best first, lists are drawn."""
MAX_PLACES = 50
"""The longest list that is drawn."""


def drawn(logit: Floats, uncertainty: Floats, places: int, rng: np.random.Generator) -> Ints:
    """Which item comes to which place in each of the lists, (DRAWS, places or all items)."""
    length = min(places, len(logit))
    lists = np.zeros((DRAWS, length), np.int64)
    for one in lists if length else ():
        sample = logit + uncertainty * rng.standard_normal(len(logit))
        best = np.argpartition(-sample, length - 1)[:length]
        one[:] = best[np.argsort(-sample[best])]
    return lists


def chances(lists: Ints, items: int) -> Floats:
    """How often each item comes to each place, (items, places)."""
    counts = [np.bincount(place, minlength=items) for place in lists.T]
    return np.stack(counts, axis=1) / len(lists) if counts else np.zeros((items, 0))
