"""`encodings` → state → `item-scores`, `board-changes`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from streamer import metrics
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
            worker.follow(chunk, _way(worker, chunk))


async def _way(worker: Worker, chunk: Chunk) -> None:
    events, dead_letters = worker.intake.encodings(chunk)
    items = await patiently(lambda: apply_encodings(worker.store, events, worker.assess.known))
    chunk.processed()
    for kind, count in Counter(event.kind for event in events).items():
        metrics.ENCODINGS.labels(kind).inc(count)
    await worker.outputs.dead_letters(dead_letters)
    await worker.tell(items, chunk)
