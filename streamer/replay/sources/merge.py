"""Several sources as one."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from operator import attrgetter

from streamer.replay.record import Source, TimedRecord


class Merged:
    """The records of all sources in time order; of equal times those of an earlier source first.

    A paced replay begins where the first of them begins.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self.name = " and ".join(source.name for source in sources)
        self.about = "\n".join(source.about for source in sources)
        self.total = sum(source.total for source in sources)
        self.start_time = min((source.start_time for source in sources), default=0.0)
        self.last_time = max((source.last_time for source in sources), default=0.0)

    def __iter__(self) -> Iterator[TimedRecord]:
        if len(self._sources) == 1:
            return iter(self._sources[0])
        return heapq.merge(*self._sources, key=attrgetter("time"))


def merged(sources: Sequence[Source]) -> Source:
    """One source that is all of them."""
    return sources[0] if len(sources) == 1 else Merged(sources)
