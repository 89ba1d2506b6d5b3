"""A chunk of texts may take many minutes; the watchdog sees that it is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from streamer.chunk import Chunk
from streamer.encoder import EncoderWorker
from streamer.encoding.service import EncodingService
from streamer.events import Encoding, Text
from streamer.settings import Settings
from streamer.wire import pack
from tests.support.chunks import chunk_of
from tests.unit.encoding.fakes import text

ENCODING = Encoding(item_id="i", kind="review", text_id="t", fingerprint="f", vector=b"", time=1.0)


class InTurn:
    """A service that answers one text after the other, each when it is told to."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    async def encode_many(
        self, texts: Sequence[Text], progress: Callable[[int], None]
    ) -> list[Encoding]:
        for _ in texts:
            answered = asyncio.get_running_loop().create_future()
            await self.asked.put(answered)
            await answered
            progress(1)
        return [ENCODING] * len(texts)

    async def answer(self) -> None:
        (await self.asked.get()).set_result(None)
        await asyncio.sleep(0)


class Moves:
    """Counts by first offset how often chunks have moved."""

    def __init__(self) -> None:
        self.count: dict[int, int] = {}

    def moved(self, chunk: Chunk) -> None:
        self.count[chunk.start] = self.count.get(chunk.start, 0) + 1

    def processed(self, chunk: Chunk) -> None: ...


def test_with_each_answer_the_chunks_behind_it_have_moved_as_well() -> None:
    async def scenario() -> dict[int, int]:
        service, moves = InTurn(), Moves()
        app = cast(Any, SimpleNamespace(producer=None, fail=lambda error: None))
        worker = EncoderWorker(app, Settings(), cast(EncodingService, service))
        for start in (0, 2):
            chunk = chunk_of([pack(text("a")), pack(text("b"))], start=start)
            chunk.source = cast(Any, moves)
            worker.follow(chunk)
        for _ in range(2):
            await service.answer()
        return moves.count

    assert asyncio.run(scenario()) == {0: 2, 2: 2}
