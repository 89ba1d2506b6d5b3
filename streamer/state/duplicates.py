"""Producer duplicates: the same ``event_id`` at another offset of the same partition.

The rule is a pure function of the log: an event is a duplicate if its id stands in the W offsets
before its own. What is remembered for it is 64 bits of each id and the latest offset it stood at,
in a few sorted runs that are merged like those of a log-structured merge tree (O'Neil et al.,
1996), so that a chunk is looked up and added with a handful of vector operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]


_GROWTH = 4
"""A run is merged with the one before it unless that is more than so many times as long."""


class _Run(NamedTuple):
    """Distinct ids in order of their hashes, with the latest offset of each, and that of all."""

    hashes: Hashes
    offsets: Ints
    latest: int


class DuplicateWindow:
    """The ids in the last ``size`` offsets of one partition. Fed chunk by chunk, in order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._runs: list[_Run] = []

    def duplicates(self, ids: Sequence[str | None], offsets: Ints) -> NDArray[np.bool_]:
        """Which of the events at these ascending offsets are duplicates; then remembers them.

        An event without an id is never one.
        """
        found = np.zeros(len(ids), bool)
        named = [place for place, event_id in enumerate(ids) if event_id is not None]
        if not named or not self.size:
            return found
        digests = [xxh3_64_intdigest(event_id.encode()) for event_id in ids if event_id is not None]
        hashes = np.fromiter(digests, np.uint64, len(named))
        mine = offsets[named] if len(named) < len(ids) else offsets
        order = hashes.argsort(kind="stable")
        hashes, mine = hashes[order], mine[order]
        before = self._before(hashes, mine)
        twice = mine - before <= self.size
        if twice.any():
            found[np.array(named)[order[twice]]] = True
        self._remember(hashes, mine)
        return found

    def _before(self, hashes: Hashes, offsets: Ints) -> Ints:
        """The latest offset at which each id stood before, of sorted hashes whose offsets ascend
        where they are equal; one beyond the window where it stood nowhere."""
        before = np.full(len(hashes), -1 - self.size)
        for run in self._runs:
            place = run.hashes.searchsorted(hashes)
            hit = run.hashes.take(place, mode="clip") == hashes
            if hit.any():
                before[hit] = run.offsets[place[hit]]
        again = hashes[1:] == hashes[:-1]
        if again.any():
            before[1:][again] = offsets[:-1][again]
        return before

    def _remember(self, hashes: Hashes, offsets: Ints) -> None:
        run = _run(hashes, offsets, int(offsets.max()))
        oldest = run.latest - self.size
        self._runs = [r for r in self._runs if r.latest >= oldest]
        while self._runs and len(self._runs[-1].hashes) <= _GROWTH * len(run.hashes):
            run = _merged(self._runs.pop(), run, oldest)
        self._runs.append(run)


def _run(hashes: Hashes, offsets: Ints, latest: int) -> _Run:
    """Of sorted hashes, the last of each group of equal ones."""
    differ = hashes[1:] != hashes[:-1]
    if differ.all():
        return _Run(hashes, offsets, latest)
    last = np.concatenate([differ, [True]])
    return _Run(hashes[last], offsets[last], latest)


def _merged(older: _Run, newer: _Run, oldest: int) -> _Run:
    hashes = np.concatenate([older.hashes, newer.hashes])
    offsets = np.concatenate([older.offsets, newer.offsets])
    recent = offsets >= oldest
    if not recent.all():
        hashes, offsets = hashes[recent], offsets[recent]
    order = hashes.argsort(kind="stable")
    return _run(hashes[order], offsets[order], newer.latest)
