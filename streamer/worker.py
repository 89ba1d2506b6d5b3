"""A scoring worker: what its agents share, put together in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog

from streamer import failpoint, metrics
from streamer.assess import Assessor
from streamer.broker import log_ends
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
from streamer.state.columns import Pseudonyms
from streamer.state.connection import connect
from streamer.state.keys import Keys
from streamer.state.store import Store
from streamer.state.touched import Touched
from streamer.topology import ENCODINGS, NEW_ITEMS, USER_BEHAVIOUR
from streamer.transport import from_committed

log = structlog.get_logger(__name__)


class Worker:
    """State, judge and outputs of one process. A batch takes its turn at each phase."""

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
        self.publisher = Publisher(app.producer)
        self.outputs = Outputs(self.publisher, settings)
        self.filer = Filer(self.boards, self.publisher, settings)
        self.phases = {
            settings.topic(NEW_ITEMS.name): COUNTED,
            settings.topic(USER_BEHAVIOUR.name): COUNTED,
            settings.topic(ENCODINGS.name): ENCODED,
        }
        self.pseudonyms = Pseudonyms(settings.user_key.get_secret_value())
        self.items_turn, self.kin_turn = asyncio.Lock(), asyncio.Lock()

    async def start_offsets(
        self, extents: list[Extent]
    ) -> Mapping[tuple[str, int], tuple[int, int]]:
        """Topics that are applied are read from where the state says, others from where the group is.

        Never from past what is committed: what the state has beyond may not be published yet.
        What lies in the duplicate window before is read again, to be remembered.
        """
        self.filer.forget()
        phases = self.phases
        kept = [replace(e, phases=phases[e.topic]) for e in extents if e.topic in phases]
        starts = await from_committed([e for e in extents if e.topic not in phases])
        logs = (await self.app.topic_ids(set(phases))).values()
        ends = partial(log_ends, self.settings.broker)
        behind = await patiently(lambda: open_logs(self.store, kept, self._if_empty, logs, ends))
        self._if_empty = "stop"
        for extent in kept:
            told = extent.earliest if extent.committed is None else extent.committed
            stands = behind[extent.topic, extent.partition]
            self.filer.forget(lost=stands < told)
            resume = max(extent.earliest, min(stands, told))
            window = self.settings.duplicate_window_offsets if extent.phases == COUNTED else 0
            read_from = max(extent.earliest, resume - window)
            starts[extent.topic, extent.partition] = (read_from, resume)
        return starts

    def forget_what_was_lost(self) -> None:
        """Redis has lost writes: nothing at hand may be used any more."""
        metrics.REWINDS.inc()
        self.assess.forget_everything()
        self.filer.forget(lost=True)

    async def tell(self, items: Touched, chunks: Sequence[Chunk]) -> None:
        """Scores what chunks touched, publishes the scores and hands the items to be filed."""
        judged = await self.assess.score(items)
        with metrics.PHASE_SECONDS.labels("publish").time():
            await self.outputs.scores(judged)
        failpoint.passing("scores")
        for chunk in chunks:
            observe_latency(chunk)
            chunk.processed()
        self.filer.add(judged, chunks)

    async def close(self) -> None:
        await self.client.aclose()
