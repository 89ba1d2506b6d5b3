"""An inference worker: what its agent shares, put together in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import structlog

from streamer import metrics, wire
from streamer.chunk import Chunk
from streamer.encoding.service import EncodingService
from streamer.errors import BadEvent
from streamer.events import DeadLetter, Encoding
from streamer.faust_app import StreamerApp
from streamer.outputs import Outputs
from streamer.publish import Publisher
from streamer.settings import Settings
from streamer.validity import Limits

log = structlog.get_logger(__name__)


class EncoderWorker:
    """Reads texts, has them encoded, publishes what comes back."""

    def __init__(self, app: StreamerApp, settings: Settings, service: EncodingService) -> None:
        self._app = app
        self._service = service
        self._limits = Limits(np.inf, 0.0, settings.max_text_chars, settings.dead_letter_max_bytes)
        self._outputs = Outputs(Publisher(app.producer), settings)
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_work: set[Chunk] = set()

    def follow(self, chunk: Chunk) -> None:
        """Sends a chunk on its way beside those before it. What goes wrong ends the app."""
        task = asyncio.create_task(self._follow(self._way(chunk)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, way: Coroutine[Any, Any, None]) -> None:
        try:
            await way
        except Exception as error:
            self._app.fail(error)

    async def _way(self, chunk: Chunk) -> None:
        read = wire.texts.read(chunk, self._limits)
        self._at_work.add(chunk)
        answers = await self._service.encode_many(read.events, progress=self._moved)
        self._at_work.remove(chunk)
        chunk.processed()
        refused = [
            wire.bury(chunk, int(np.searchsorted(chunk.offsets, offset)), answer, self._limits)
            for offset, answer in zip(read.offsets.tolist(), answers, strict=True)
            if isinstance(answer, BadEvent)
        ]
        await self._outputs.encodings([a for a in answers if isinstance(a, Encoding)])
        await self._bury([*read.dead_letters, *refused])
        chunk.done()

    def _moved(self, texts: int) -> None:
        """Texts are answered in turn: with some the chunks behind them have moved as well, of which
        the last may take many minutes."""
        for chunk in self._at_work:
            chunk.moved()

    async def _bury(self, letters: list[DeadLetter]) -> None:
        for letter in letters:
            metrics.DEAD_LETTERS.labels(letter.code).inc()
        await self._outputs.dead_letters(letters)
