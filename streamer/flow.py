"""Chunks that have come go on their way together: the busier the worker, the larger the batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streamer.chunk import Chunk

Way = Callable[[list[Chunk]], Awaitable[None]]


class Flow:
    """Takes chunks as they come and sends them along ``way``, at most ``at_once`` batches at a time.

    A batch takes no more chunks once it has ``max_records``. Of each partition it holds chunks that
    follow one another without a gap.
    """

    def __init__(
        self, way: Way, at_once: int, max_records: int, fail: Callable[[Exception], None]
    ) -> None:
        self._way = way
        self._max_records = max_records
        self._fail = fail
        self._room = asyncio.Semaphore(at_once)
        self._some = asyncio.Event()
        self._waiting: list[Chunk] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, chunk: Chunk) -> None:
        self._waiting.append(chunk)
        self._some.set()

    async def run(self) -> None:
        """Starts batches, for ever. What goes wrong on the way is told to ``fail``."""
        while True:
            await self._some.wait()
            await self._room.acquire()
            task = asyncio.create_task(self._go(self._taken()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _go(self, chunks: list[Chunk]) -> None:
        try:
            await self._way(chunks)
        except Exception as error:
            self._fail(error)
        finally:
            self._room.release()

    def _taken(self) -> list[Chunk]:
        """What waits and has room, but for a partition's chunks from one on that does not follow
        the last."""
        ends: dict[tuple[str, int], tuple[str, int] | None] = {}
        taken: list[Chunk] = []
        left: list[Chunk] = []
        count = 0
        for chunk in self._waiting:
            place, begins = (chunk.topic, chunk.partition), (chunk.log, chunk.start)
            follows = ends.setdefault(place, begins) == begins and count < self._max_records
            count += len(chunk) if follows else 0
            ends[place] = (chunk.log, chunk.end) if follows else None
            (taken if follows else left).append(chunk)
        self._waiting = left
        if not left:
            self._some.clear()
        return taken
