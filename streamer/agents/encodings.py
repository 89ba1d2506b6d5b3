"""`encodings` → state → `item-scores`, `board-changes`."""

from __future__ import annotations

from typing import Any

from streamer.faust_app import StreamerApp
from streamer.flow import Flow
from streamer.topology import ENCODINGS


def register(app: StreamerApp, flow: Flow) -> None:
    @app.agent(app.chunks(ENCODINGS), name="encodings")
    async def encodings(stream: Any) -> None:
        async for chunk in stream.noack():
            flow.add(chunk)
