"""`new-items` → state → `item-scores`, `texts`, `dead-letters`, `board-changes`."""

from __future__ import annotations

from typing import Any

from streamer.faust_app import StreamerApp
from streamer.flow import Flow
from streamer.topology import NEW_ITEMS


def register(app: StreamerApp, flow: Flow) -> None:
    @app.agent(app.chunks(NEW_ITEMS), name="catalogue")
    async def catalogue(stream: Any) -> None:
        async for chunk in stream.noack():
            flow.add(chunk)
