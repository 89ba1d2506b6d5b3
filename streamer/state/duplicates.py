"""Producer duplicates: the same ``event_id`` at another offset of the same partition.

The rule is a pure function of the log: an event is a duplicate if its id stands in the W offsets
before its own. What is remembered for it is 64 bits of each id and the latest offset it stood at,
in a few sorted runs that are merged like those of a log-structured merge tree (O'Neil et al.,
1996), so that a chunk is looked up and added with a handful of vector operations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]


class DuplicateWindow:
    """The ids in the last ``size`` offsets of one partition. Fed chunk by chunk, in order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._runs: list[tuple[Hashes, Ints]] = []

    def duplicates(self, ids: Sequence[str | None], offsets: Ints) -> NDArray[np.bool_]:
        """Which of the events at these ascending offsets are duplicates; then remembers them.

        An event without an id is never one.
        """
        found = np.zeros(len(ids), bool)
        named = [place for place, event_id in enumerate(ids) if event_id is not None]
        if not named or not self.size:
            return found
        hashes = np.fromiter(
            (xxh3_64_intdigest(ids[i].encode()) for i in named),  # type: ignore[union-attr]
            np.uint64,
            len(named),
        )
        mine = offsets[named] if len(named) < len(ids) else offsets
        order = np.argsort(hashes, kind="stable")
        hashes, mine = hashes[order], mine[order]
        before = np.maximum(self._latest(hashes), _predecessors(hashes, mine))
        found[np.asarray(named)[order]] = (before >= 0) & (mine - before <= self.size)
        self._remember(hashes, mine)
        return found

    def _latest(self, hashes: Hashes) -> Ints:
        """The latest offset at which each id stood before this chunk, or -1."""
        latest = np.full(len(hashes), -1)
        for run_hashes, run_offsets in self._runs:
            place = np.searchsorted(run_hashes, hashes).clip(max=len(run_hashes) - 1)
            hit = run_hashes[place] == hashes
            latest[hit] = np.maximum(latest[hit], run_offsets[place[hit]])
        return latest

    def _remember(self, hashes: Hashes, offsets: Ints) -> None:
        run = _distinct(hashes, offsets)
        oldest = int(offsets.max()) - self.size
        self._runs = [r for r in self._runs if r[1].max() >= oldest]
        while self._runs and len(self._runs[-1][0]) <= 2 * len(run[0]):
            run = _merged(self._runs.pop(), run, oldest)
        self._runs.append(run)


def _predecessors(hashes: Hashes, offsets: Ints) -> Ints:
    """The offset before each in its group of equal hashes (sorted, offsets ascending), or -1."""
    before = np.full(len(hashes), -1)
    same = hashes[1:] == hashes[:-1]
    before[1:][same] = offsets[:-1][same]
    return before


def _distinct(hashes: Hashes, offsets: Ints) -> tuple[Hashes, Ints]:
    """The last of each group of equal hashes."""
    last = np.concatenate([hashes[1:] != hashes[:-1], [True]])
    return hashes[last], offsets[last]


def _merged(
    older: tuple[Hashes, Ints], newer: tuple[Hashes, Ints], oldest: int
) -> tuple[Hashes, Ints]:
    hashes = np.concatenate([older[0], newer[0]])
    offsets = np.concatenate([older[1], newer[1]])
    order = np.argsort(hashes, kind="stable")
    hashes, offsets = _distinct(hashes[order], offsets[order])
    recent = offsets >= oldest
    return (hashes[recent], offsets[recent]) if recent.any() else (hashes, offsets)
