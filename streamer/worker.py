"""A scoring worker: what its agents share, put together in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import structlog

from streamer import failpoint, metrics
from streamer.assess import Assessor
from streamer.chunk import Chunk
from streamer.clock import StreamClock
from streamer.faust_app import StreamerApp
from streamer.filing import Filer
from streamer.intake import Intake
from streamer.models import judge_in_use
from streamer.outputs import Outputs, observe_latency
from streamer.patience import patiently
from streamer.publish import Publisher
from streamer.settings import Settings
from streamer.state.birth import COUNTED, ENCODED, Extent, IfEmpty, open_logs
from streamer.state.boards import Boards
from streamer.state.connection import connect
from streamer.state.keys import Keys
from streamer.state.phases import LostWrites
from streamer.state.store import Store
from streamer.state.touched import Touched
from streamer.topology import ENCODINGS, NEW_ITEMS, USER_BEHAVIOUR
from streamer.transport import from_committed
from streamer.turns import Turns

log = structlog.get_logger(__name__)


class Worker:
    """State, judge and outputs of one process."""

    def __init__(self, app: StreamerApp, settings: Settings, if_empty: IfEmpty = "stop") -> None:
        self.app = app
        self.settings = settings
        self._if_empty = if_empty
        self.client = connect(settings)
        keys = Keys(settings.group, settings.shards)
        self.store = Store(self.client, keys, settings.user_retention_seconds)
        self.boards = Boards(self.client, keys)
        judge = judge_in_use(settings.model_store)
        self.assess = Assessor(self.store, judge, StreamClock(), settings.item_cache_max_bytes)
        self.intake = Intake(settings)
        self.turns = Turns()
        self.publisher = Publisher(app.producer)
        self.outputs = Outputs(self.publisher, settings)
        self.filer = Filer(self.boards, self.publisher, settings)
        self.phases = {
            settings.topic(NEW_ITEMS.name): COUNTED,
            settings.topic(USER_BEHAVIOUR.name): COUNTED,
            settings.topic(ENCODINGS.name): ENCODED,
        }
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(settings.chunks_at_once)

    async def start_offsets(
        self, extents: list[Extent]
    ) -> Mapping[tuple[str, int], tuple[int, int]]:
        """Topics that are applied are read from where the state says, others from where the group is.

        Never from past what is committed: what the state has beyond may not be published yet.
        What lies in the duplicate window before is read again, to be remembered.
        """
        phases = self.phases
        kept = [replace(e, phases=phases[e.topic]) for e in extents if e.topic in phases]
        starts = await from_committed([e for e in extents if e.topic not in phases])
        behind = await patiently(lambda: open_logs(self.store, kept, self._if_empty))
        self._if_empty = "stop"
        for extent in kept:
            told = extent.earliest if extent.committed is None else extent.committed
            resume = max(extent.earliest, min(behind[extent.topic, extent.partition], told))
            window = self.settings.duplicate_window_offsets if extent.phases == COUNTED else 0
            read_from = max(extent.earliest, resume - window)
            starts[extent.topic, extent.partition] = (read_from, resume)
        return starts

    async def follow(self, chunk: Chunk, way: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Sends a chunk on its way beside those before it, back as soon as it is on its way: it
        waits while ``chunks_at_once`` others are. What goes wrong ends the app."""
        await self._room.acquire()
        task = asyncio.create_task(self._follow(chunk, way()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, chunk: Chunk, way: Coroutine[Any, Any, None]) -> None:
        try:
            await way
        except LostWrites as lost:
            self.forget_what_was_lost()
            chunk.rewind(lost.watermark)
        except Exception as error:
            self.app.fail(error)
        finally:
            self._room.release()

    def forget_what_was_lost(self) -> None:
        """Redis has lost writes: nothing at hand may be used any more."""
        metrics.REWINDS.inc()
        self.assess.forget_everything()

    async def tell(self, items: Touched, chunk: Chunk) -> None:
        """Scores what a chunk touched, publishes the scores and hands the items to be filed."""
        judged = await self.assess.score(items)
        with metrics.PHASE_SECONDS.labels("publish").time():
            await self.outputs.scores(judged)
        failpoint.passing("scores")
        observe_latency(chunk)
        self.filer.add(judged, chunk)

    async def close(self) -> None:
        await self.client.aclose()
