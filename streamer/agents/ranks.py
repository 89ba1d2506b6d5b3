"""`board-changes` → decisions → `launch-rank`."""

from __future__ import annotations

from typing import Any

from streamer.faust_app import StreamerApp
from streamer.ranking import Ranker
from streamer.topology import BOARD_CHANGES


def register(app: StreamerApp, ranker: Ranker) -> None:
    @app.agent(app.chunks(BOARD_CHANGES), name="ranks")
    async def ranks(stream: Any) -> None:
        async for chunk in stream.noack():
            ranker.note(chunk)
