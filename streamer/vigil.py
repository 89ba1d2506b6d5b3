"""Vigil: what a worker has finished is compared with what Redis says it has applied, all the time.

A chunk finds out by itself that Redis has lost writes; while none comes, nobody would.
"""

from __future__ import annotations

import asyncio

from streamer.patience import patiently
from streamer.state.birth import Log, standing
from streamer.worker import Worker


class Vigil:
    """Looks after the partitions whose position is kept in the state."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def run(self) -> None:
        """Looks once per interval, for ever."""
        while True:
            await asyncio.sleep(self._worker.settings.idle_check_seconds)
            await self.look()

    async def look(self) -> None:
        """Has whatever Redis has lost read again. Raises StoreEmpty."""
        consumer = self._worker.app.consumer
        phases = self._worker.phases
        lanes = [(tp, lane) for tp, lane in consumer.lanes.items() if tp.topic in phases]
        applied = [max(lane.finished, lane.resume) for _, lane in lanes]
        logs = [Log(tp.topic, tp.partition, lane.log, phases[tp.topic]) for tp, lane in lanes]
        stands = await patiently(lambda: standing(self._worker.store, logs))
        for (tp, lane), finished, (behind, _) in zip(lanes, applied, stands, strict=True):
            if behind < finished:
                self._worker.forget_what_was_lost()
                consumer.rewind(lane, tp, behind)
