"""The sweep: every item within an interval is scored again, filed again, or forgotten.

It carries ageing, a new model and new encodings to items that nobody touches, and mends a board
whose last second was lost. After a change of the model it goes through all items at once, leaving
chunks as much time as it takes itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import numpy as np

from streamer import failpoint, metrics
from streamer.assess import Assessor
from streamer.filing import Filer
from streamer.outputs import Outputs
from streamer.patience import patiently
from streamer.settings import Settings
from streamer.state.boards import Boards
from streamer.state.features import launch_times
from streamer.state.layout import DAY, ITEM
from streamer.state.touched import Touched

BATCH_ITEMS = 200
"""Items read, scored and filed at once."""
IDLE_SECONDS = 5.0
"""Between looks whether a worker without a shard to sweep has got one."""
_LAST_TIME = ITEM.index["last_time"]


class Sweep:
    """Goes through items shard by shard."""

    def __init__(
        self, assess: Assessor, outputs: Outputs, filer: Filer, boards: Boards, settings: Settings
    ) -> None:
        self._assess = assess
        self._outputs = outputs
        self._filer = filer
        self._boards = boards
        self._settings = settings
        self._urgent = asyncio.Event()

    def at_once(self) -> None:
        """Begins anew, and goes through everything as fast as the chunks beside it allow."""
        self._urgent.set()

    async def run(self, owned: Callable[[], Sequence[int]]) -> None:
        """Sweeps the shards that ``owned`` names at an even pace, for ever."""
        interval = self._settings.sweep_interval_seconds
        while True:
            shards, urgent = owned(), self._urgent.is_set()
            if not shards:
                await asyncio.sleep(min(interval, IDLE_SECONDS))
                continue
            self._urgent.clear()
            for shard in shards:
                await self._pace(shard, 0.0 if urgent else interval / len(shards))
                if self._urgent.is_set():
                    break

    async def _pace(self, shard: int, seconds: float) -> None:
        """One shard in the time that is due to it, or by halves with the chunks; not to its end if
        everything is to begin anew."""
        loop = asyncio.get_running_loop()
        size = await patiently(lambda: self._assess.store.known_count(shard))
        pause = seconds / (size // BATCH_ITEMS + 1)
        after = ""
        while True:
            started = loop.time()
            after, _ = await self._step(shard, after)
            took = loop.time() - started
            await self._pause(max(0.0, pause - took) if seconds else took)
            if not after or self._urgent.is_set():
                return

    async def _pause(self, seconds: float) -> None:
        """Ends early when everything is to begin anew."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._urgent.wait(), seconds)

    async def once(self, shards: Iterable[int], progress: Callable[[int], None]) -> None:
        """Sweeps the shards at once, to the end; ``progress`` is told how many items are done."""
        done = 0
        for shard in shards:
            after = ""
            while True:
                after, count = await self._step(shard, after)
                done += count
                progress(done)
                if not after:
                    break
        await self._filer.flush()

    async def _step(self, shard: int, after: str) -> tuple[str, int]:
        """One batch of a shard from the item after ``after``. Returns the last item, '' at the end
        of the shard, and how many there were."""
        ids = await patiently(lambda: self._assess.store.known_ids(shard, after, BATCH_ITEMS))
        if ids:
            await self._again(shard, ids)
        return ids[-1] if len(ids) == BATCH_ITEMS else "", len(ids)

    async def _again(self, shard: int, ids: list[str]) -> None:
        judged = await self._assess.refresh(ids)
        await self._outputs.scores(judged)
        self._filer.add(judged, everything=True)
        metrics.SWEPT_ITEMS.inc(len(ids))
        before = judged.time - self._settings.item_retention_days * DAY
        last = np.fmax(launch_times(judged.items), judged.items.x[:, _LAST_TIME])
        if len(old := np.flatnonzero(last < before)):
            await self._forget(shard, judged.items.at(old.tolist()))

    async def _forget(self, shard: int, old: Touched) -> None:
        """Readers and boards first: what is gone from the state is not come by again. An item that
        something has happened to meanwhile is kept, and looked at again."""
        ids, etags = old.ids, old.etags.astype("<u8").tobytes()
        await self._filer.flush()
        await self._outputs.forgotten(ids)
        boards = await patiently(self._boards.names)
        await patiently(lambda: self._boards.forget(boards, ids))
        failpoint.passing("forgetting")
        gone = await patiently(lambda: self._assess.store.forget(shard, ids, etags))
        failpoint.passing("forgotten")
        metrics.FORGOTTEN_ITEMS.inc(len(gone))
        if touched := sorted(set(ids) - set(gone)):
            await self._again(shard, touched)
