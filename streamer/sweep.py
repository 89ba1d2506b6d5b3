"""The sweep: every item within an interval is scored again, filed again, or forgotten.

It carries ageing, a new model and new encodings to items that nobody touches, and mends a board
whose last second was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import numpy as np

from streamer import metrics
from streamer.judge import Judged
from streamer.patience import patiently
from streamer.state.features import launch_times
from streamer.state.layout import ITEM
from streamer.worker import DAY_SECONDS, Worker

BATCH_ITEMS = 200
"""Items read, scored and filed at once."""
_LAST_TIME = ITEM.index["last_time"]


class Sweep:
    """Walks the shards that are this worker's to sweep; ``owned`` says which those are."""

    def __init__(self, worker: Worker, owned: Callable[[], Iterable[int]]) -> None:
        self._worker = worker
        self._owned = owned

    async def run(self) -> None:
        """Sweeps at an even pace, for ever."""
        interval = self._worker.settings.sweep_interval_seconds
        while True:
            shards = sorted(self._owned())
            for shard in shards:
                await self._pace(shard, interval / len(shards))
            if not shards:
                await asyncio.sleep(interval)

    async def _pace(self, shard: int, seconds: float) -> None:
        """One shard in the time that is due to it."""
        loop = asyncio.get_running_loop()
        size = await patiently(lambda: self._worker.store.known_count(shard))
        pause = seconds / (size // BATCH_ITEMS + 1)
        after = ""
        while True:
            started = loop.time()
            after = await self.step(shard, after)
            await asyncio.sleep(max(0.0, pause - (loop.time() - started)))
            if not after:
                return

    async def step(self, shard: int, after: str) -> str:
        """One batch of a shard from the item after ``after``. Returns the last item, '' at the end."""
        ids = await patiently(lambda: self._worker.store.known_ids(shard, after, BATCH_ITEMS))
        if ids:
            await self._again(shard, await self._worker.refresh(ids))
            metrics.SWEPT_ITEMS.inc(len(ids))
        return ids[-1] if len(ids) == BATCH_ITEMS else ""

    async def _again(self, shard: int, judged: Judged) -> None:
        await self._worker.outputs.scores(judged)
        self._worker.filer.add(judged)
        before = judged.time - self._worker.settings.item_retention_days * DAY_SECONDS
        last = np.fmax(launch_times(judged.items), judged.items.x[:, _LAST_TIME])
        old = [item_id for item_id, at in zip(judged.items.ids, last, strict=True) if at < before]
        if old:
            await self._forget(shard, old, before)

    async def _forget(self, shard: int, ids: list[str], before: float) -> None:
        worker = self._worker
        gone = await patiently(lambda: worker.store.forget(shard, ids, before))
        boards = await patiently(worker.boards.names)
        if gone:
            await patiently(lambda: worker.boards.forget(boards, gone))
            await worker.outputs.forgotten(gone)
            metrics.FORGOTTEN_ITEMS.inc(len(gone))
