"""Builds the Faust apps: the scoring worker and the encoder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from streamer import lean, metrics, way
from streamer.agents import behaviour, catalogue, encodings, ranks
from streamer.faust_app import StreamerApp, run
from streamer.flow import Flow
from streamer.interrupt import cancelled
from streamer.judge import Judge
from streamer.models import follow
from streamer.ranking import Ranker
from streamer.settings import Settings
from streamer.shadow import open_shadow
from streamer.state.birth import IfEmpty
from streamer.status import serve_status
from streamer.sweep import Sweep
from streamer.topology import BOARD_CHANGES
from streamer.vigil import Vigil
from streamer.worker import Worker

CLOCK_SECONDS = 1.0
"""How often workers learn each other's stream time, and lag and positions are exported."""


async def run_worker(settings: Settings, if_empty: IfEmpty = "stop") -> None:
    """Runs a scoring worker until it is told to stop. Raises StreamerError."""
    app = StreamerApp(settings.group, settings)
    worker = Worker(app, settings, if_empty)
    app.start_offsets = worker.start_offsets
    ranker = Ranker(worker)
    sweep = Sweep(worker.assess, worker.outputs, worker.filer, worker.boards, settings)
    bounds = settings.batches_at_once, settings.batch_max_records
    events = Flow(partial(way.go, worker), *bounds, app.fail)
    texts_read = Flow(partial(way.go_encoded, worker), *bounds, app.fail)
    behaviour.register(app, events)
    catalogue.register(app, events)
    encodings.register(app, texts_read)
    ranks.register(app, ranker)

    def swap(judge: Judge) -> None:
        worker.assess.judge = judge
        sweep.at_once()

    shadow = open_shadow(settings.model_store, settings.shadow, worker.client, worker.store.keys)
    loops = [
        events.run,
        texts_read.run,
        *([shadow.run] if shadow else []),
        worker.filer.run,
        ranker.run,
        lambda: sweep.run(lambda: _shards_to_sweep(app, settings)),
        Vigil(worker).run,
        follow(settings.model_store, worker.assess.judge, swap).run,
        lambda: _watch_time(worker),
        lambda: _watch_positions(app),
    ]
    worker.assess.shadow = shadow.see if shadow else None
    lean.settle()
    app.end_on_signals()
    async with serve_status(settings, app.ready):
        await _run_beside(app, loops)
    await worker.close()


async def run_encoder(settings: Settings) -> None:
    """Runs an inference worker until it is told to stop. Raises StreamerError."""
    from streamer import heads
    from streamer.agents import texts
    from streamer.encoder import EncoderWorker
    from streamer.encoder_metrics import PrometheusObserver
    from streamer.encoding.layered import open_cache
    from streamer.encoding.service import EncodingService

    os.nice(settings.encoder_niceness)
    observer = PrometheusObserver()
    cache = open_cache(settings, observer)
    service = await asyncio.to_thread(
        EncodingService.open, settings, cache=cache, observer=observer
    )
    app = StreamerApp(settings.encoder_group, settings)
    texts.register(app, EncoderWorker(app, settings, service))
    await service.start()
    app.end_on_signals()
    try:
        async with serve_status(settings, app.ready):
            following = heads.follow(settings, service)
            await _run_beside(app, [lambda: _watch_positions(app), following.run])
    finally:
        await service.stop()


async def _run_beside(app: StreamerApp, loops: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Runs the app with endless loops beside it; a loop that breaks ends the app."""
    tasks = [asyncio.ensure_future(_guarded(app, loop)) for loop in loops]
    try:
        await run(app)
    finally:
        await cancelled(*tasks)


async def _guarded(app: StreamerApp, loop: Callable[[], Awaitable[None]]) -> None:
    try:
        await loop()
    except Exception as error:
        app.fail(error)


def _shards_to_sweep(app: StreamerApp, settings: Settings) -> list[int]:
    """Each shard is swept by whoever holds a partition of `board-changes` that goes with it."""
    topic = settings.topic(BOARD_CHANGES.name)
    mine = {tp.partition for tp in app.consumer.lanes if tp.topic == topic}
    partitions = app.consumer.topic_partitions(topic) or 1 if mine else 1
    return [shard for shard in range(settings.shards) if shard % partitions in mine]


async def _watch_time(worker: Worker) -> None:
    while True:
        await worker.assess.learn_time()
        metrics.STREAM_TIME_SECONDS.set(worker.assess.clock.now())
        await asyncio.sleep(CLOCK_SECONDS)


async def _watch_positions(app: StreamerApp) -> None:
    """Waits for no server: it is told also while Redis is away."""
    while True:
        _export_positions(app)
        await asyncio.sleep(CLOCK_SECONDS)


def _export_positions(app: StreamerApp) -> None:
    """Partitions that went to another process are told by that one alone."""
    metrics.LAG_RECORDS.clear()
    metrics.POSITION_OFFSET.clear()
    for tp, waiting in app.consumer.lag().items():
        metrics.LAG_RECORDS.labels(tp.topic, tp.partition).set(waiting)
    for tp, offset in app.consumer.positions().items():
        metrics.POSITION_OFFSET.labels(tp.topic, tp.partition).set(offset)
