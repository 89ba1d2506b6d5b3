"""Training examples: looks at launches with features, and labels that look only forward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.learning.looks import Looks
from streamer.learning.outcomes import Outcomes

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples, a row each: ``x`` (rows, features), ``content`` (rows, dimensions), ``actions``
    (rows, kinds; shopper actions so far), ``age`` (days), ``launch_day``, ``outcome`` (what the
    label is made of), ``label`` (0 or 1), ``item``."""

    x: Floats
    content: NDArray[np.float32]
    actions: Floats
    age: Floats
    launch_day: Floats
    outcome: Floats
    label: NDArray[np.int64]
    item: NDArray[np.str_]

    def where(self, mask: NDArray[np.bool_]) -> Dataset:
        return Dataset(*(getattr(self, name)[mask] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.label)


def labelled(looks: Looks, outcomes: Outcomes) -> Dataset:
    """The looks as examples, by what became of the launches; without those at items that came up when
    that was known."""
    labels, ids = outcomes.labels(), looks.item.tolist()
    found = Dataset(
        x=looks.x,
        content=looks.content,
        actions=looks.actions,
        age=looks.age,
        launch_day=np.array([outcomes.launch_day(item_id) for item_id in ids]),
        outcome=np.array([outcomes.outcome(item_id) for item_id in ids]),
        label=np.array([labels[item_id] for item_id in ids]),
        item=looks.item,
    )
    return found.where(np.array([outcomes.foreseen(item_id) for item_id in ids], bool))
