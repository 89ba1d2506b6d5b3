"""Items as arrays for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.state.known import Families, Known
from streamer.state.members import LISTS, distinct
from streamer.state.records import Etags, Records

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Touched:
    """Items with their state: their records with their etags, and what is beside these, also as
    the columns known.BESIDE."""

    ids: list[str]
    etags: Etags
    records: Records
    known: list[Known]
    beside: NDArray[np.void]

    @property
    def x(self) -> Floats:
        """The fields of the records, shape (items, fields)."""
        return self.records.x

    @property
    def families(self) -> Families:
        return Families(self.beside["family"], self.known)

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, end: int) -> Touched:
        """The items from place ``start`` up to, not including, ``end``."""
        block = slice(start, end)
        parts = self.ids[block], self.etags[block], self.records.take(block), self.known[block]
        return Touched(*parts, self.beside[block])

    def at(self, places: Sequence[int]) -> Touched:
        """The items at these places."""
        rows = np.array(places, np.int64)
        ids, known = [self.ids[p] for p in places], [self.known[p] for p in places]
        return Touched(ids, self.etags[rows], self.records.take(rows), known, self.beside[rows])

    def listed(self, name: str) -> Floats:
        """How long each item's list of that name is."""
        return self.records.counts[:, LISTS.index(name)].astype(np.float64)

    def distinct(self, name: str) -> Floats:
        """How many distinct members each item's list of hashes stands for."""
        return distinct(self.records.counts, self.records.slots, name)
