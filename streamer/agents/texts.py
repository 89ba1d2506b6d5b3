"""`texts` → inference → `encodings`, `dead-letters`."""

from __future__ import annotations

from typing import Any

from streamer.encoder import EncoderWorker
from streamer.faust_app import StreamerApp
from streamer.topology import TEXTS


def register(app: StreamerApp, encoder: EncoderWorker) -> None:
    @app.agent(app.chunks(TEXTS), name="texts")
    async def texts(stream: Any) -> None:
        async for chunk in stream.noack():
            encoder.follow(chunk)
