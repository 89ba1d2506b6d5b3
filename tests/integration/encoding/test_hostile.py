"""Whatever is on `texts`: nothing stops the encoder, each record is a vector or a dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from streamer.chunk import Chunk
from streamer.encoder import EncoderWorker
from streamer.encoding.service import EncodingService
from streamer.events import REVIEW_DIMENSIONS, DeadLetter, Encoding
from streamer.settings import load
from tests.support.chunks import chunk_of
from tests.support.hostile import hostile

CHUNK = 500


class App:
    """Keeps the error that would end the encoder."""

    producer = None
    failure: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.failure = error


class Outputs:
    def __init__(self) -> None:
        self.encoded: list[Encoding] = []
        self.buried: list[DeadLetter] = []

    async def encodings(self, encodings: Sequence[Encoding]) -> None:
        self.encoded += encodings

    async def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        self.buried += letters


class Done:
    def __init__(self) -> None:
        self.chunks: set[int] = set()

    def moved(self, chunk: Chunk) -> None: ...

    def processed(self, chunk: Chunk) -> None:
        pass

    def done(self, chunk: Chunk) -> None:
        self.chunks.add(chunk.start)

    def rewind(self, chunk: Chunk, offset: int) -> None:
        raise AssertionError("nothing is read again")


async def survive(count: int, seed: int) -> tuple[App, Outputs, Done]:
    app, outputs, done = App(), Outputs(), Done()
    settings = load(encoder_backend="torch-cpu-bf16-1x")
    service = EncodingService.open(settings)
    await service.start()
    whole: Any = app
    worker = EncoderWorker(whole, settings, service)
    worker._outputs = outputs  # type: ignore[assignment]
    values = list(hostile(count, seed))
    try:
        for start in range(0, count, CHUNK):
            chunk = chunk_of(values[start : start + CHUNK], start=start)  # type: ignore[arg-type]
            chunk.source = done
            worker.follow(chunk)
            while start // CHUNK - len(done.chunks) > 4 and not app.failure:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        while worker._tasks and not app.failure:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    finally:
        await service.stop()
    return app, outputs, done


def each_is_a_vector_or_a_dead_letter(count: int, seed: int) -> None:
    app, outputs, done = asyncio.run(survive(count, seed))
    assert app.failure is None
    assert len(done.chunks) == -(-count // CHUNK)
    assert len(outputs.encoded) + len(outputs.buried) == count
    assert len({letter.offset for letter in outputs.buried}) == len(outputs.buried)
    assert len(outputs.encoded) > count / 3
    assert len(outputs.buried) > count / 10
    for encoding in outputs.encoded:
        review = encoding.kind == "review"
        size = 2 * (REVIEW_DIMENSIONS if review else 384)
        assert len(encoding.vector) == size
        kind = "<i2" if review else "<f2"
        assert np.isfinite(np.frombuffer(encoding.vector, kind)).all()
        assert encoding.sentiment is None or review
        assert encoding.sentiment is None or 0 <= encoding.sentiment <= 1
    assert any(encoding.sentiment is not None for encoding in outputs.encoded)


def test_nothing_stops_the_encoder() -> None:
    each_is_a_vector_or_a_dead_letter(1500, seed=0)


@pytest.mark.slow
def test_nothing_stops_the_encoder_in_a_hundred_thousand() -> None:
    each_is_a_vector_or_a_dead_letter(100_000, seed=1)
