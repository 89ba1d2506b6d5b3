"""`encodings` → state → `item-scores`, `board-changes`."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

from streamer import failpoint, metrics
from streamer.chunk import Chunk
from streamer.faust_app import StreamerApp
from streamer.patience import patiently
from streamer.state.encoded import apply_encodings
from streamer.topology import ENCODINGS
from streamer.worker import Worker


def register(app: StreamerApp, worker: Worker) -> None:
    @app.agent(app.chunks(ENCODINGS), name="encodings")
    async def encodings(stream: Any) -> None:
        async for chunk in stream.noack():
            await worker.follow(chunk, partial(_way, worker, chunk))


async def _way(worker: Worker, chunk: Chunk) -> None:
    events, dead_letters = worker.intake.encodings(chunk)
    with worker.turns.of(chunk) as places:
        async with places.turn("items"):
            items = await patiently(
                lambda: apply_encodings(worker.store, chunk, events, worker.assess.known)
            )
    failpoint.passing("encodings")
    for kind, count in Counter(event.kind for event in events).items():
        metrics.ENCODINGS.labels(kind).inc(count)
    await worker.outputs.dead_letters(dead_letters)
    await worker.tell(items, chunk)
    chunk.processed()
