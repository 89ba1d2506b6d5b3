"""`user-behaviour` → state → `item-scores`, `texts`, `dead-letters`, `board-changes`."""

from __future__ import annotations

from typing import Any

from streamer.faust_app import StreamerApp
from streamer.flow import Flow
from streamer.topology import USER_BEHAVIOUR


def register(app: StreamerApp, flow: Flow) -> None:
    @app.agent(app.chunks(USER_BEHAVIOUR), name="behaviour")
    async def behaviour(stream: Any) -> None:
        async for chunk in stream.noack():
            flow.add(chunk)
