"""`user-behaviour` → state → `item-scores`, `texts`, `dead-letters`, `board-changes`."""

from __future__ import annotations

from functools import partial
from typing import Any

from streamer.faust_app import StreamerApp
from streamer.topology import USER_BEHAVIOUR
from streamer.way import BEHAVIOUR, go
from streamer.worker import Worker


def register(app: StreamerApp, worker: Worker) -> None:
    @app.agent(app.chunks(USER_BEHAVIOUR), name="behaviour")
    async def behaviour(stream: Any) -> None:
        async for chunk in stream.noack():
            await worker.follow(chunk, partial(go, worker, chunk, BEHAVIOUR))
