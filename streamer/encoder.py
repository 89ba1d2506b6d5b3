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
from streamer.events import DeadLetter, Encoding, Text
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
        answers = await asyncio.gather(*(self._encode(text) for text in read.events))
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

    async def _encode(self, text: Text) -> Encoding | BadEvent:
        """Texts are answered in turn: with each the chunks behind it have moved as well, of which
        the last may take many minutes."""
        answer: Encoding | BadEvent
        try:
            answer = await self._service.encode(text)
        except BadEvent as bad:
            answer = bad
        for chunk in self._at_work:
            chunk.moved()
        return answer

    async def _bury(self, letters: list[DeadLetter]) -> None:
        for letter in letters:
            metrics.DEAD_LETTERS.labels(letter.code).inc()
        await self._outputs.dead_letters(letters)
