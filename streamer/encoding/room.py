"""How many texts may be inside at once: whoever finds no room waits, first come, first served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """For ``texts`` of them; more than that at once get in when there is nobody else."""

    def __init__(self, texts: int) -> None:
        self._size = self._free = texts
        self._turn, self._freed = asyncio.Lock(), asyncio.Event()

    @asynccontextmanager
    async def of(self, texts: int) -> AsyncIterator[None]:
        """Room for so many, given back at the end."""
        async with self._turn:
            while self._free < min(texts, self._size):
                self._freed.clear()
                await self._freed.wait()
            self._free -= texts
        try:
            yield
        finally:
            self._free += texts
            self._freed.set()
