"""Turns: the chunks of a partition overlap, but pass each step one after the other, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from streamer.chunk import Chunk

STEPS = ("items", "kin")


class Turns:
    """Queues for the steps of each partition.

    A chunk takes its places when it arrives, so a later one can't overtake it however long it
    spends between two steps.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, int, str], asyncio.Event] = {}

    @contextmanager
    def of(self, chunk: Chunk) -> Iterator[Places]:
        """The chunk's places in the queues of its partition, given up at the end."""
        places = Places()
        for step in STEPS:
            queue = (chunk.topic, chunk.partition, step)
            places.take(step, self._last.get(queue))
            self._last[queue] = places.left[step]
        try:
            yield places
        finally:
            for left in places.left.values():
                left.set()


class Places:
    """One chunk's places: for each step whom it waits for, and whether it has left itself."""

    def __init__(self) -> None:
        self._before: dict[str, asyncio.Event | None] = {}
        self.left: dict[str, asyncio.Event] = {}

    def take(self, step: str, before: asyncio.Event | None) -> None:
        self._before[step] = before
        self.left[step] = asyncio.Event()

    @asynccontextmanager
    async def turn(self, step: str) -> AsyncIterator[None]:
        """Waits until the chunk before has left the step; leaves it at the end."""
        before = self._before[step]
        if before is not None:
            await before.wait()
            self._before[step] = None
        try:
            yield
        finally:
            self.left[step].set()
