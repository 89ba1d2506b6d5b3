"""`new-items` → state → `item-scores`, `texts`, `dead-letters`, `board-changes`."""

from __future__ import annotations

from functools import partial
from typing import Any

from streamer.faust_app import StreamerApp
from streamer.topology import NEW_ITEMS
from streamer.way import CATALOGUE, go
from streamer.worker import Worker


def register(app: StreamerApp, worker: Worker) -> None:
    @app.agent(app.chunks(NEW_ITEMS), name="catalogue")
    async def catalogue(stream: Any) -> None:
        async for chunk in stream.noack():
            await worker.follow(chunk, partial(go, worker, chunk, CATALOGUE))
