"""Encodes the texts of a data set with the encoder that serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from streamer.encoding.batcher import Priority
from streamer.encoding.service import EncodingService
from streamer.events import Encoding, Text
from streamer.settings import Settings


async def _encode(
    service: EncodingService, texts: Sequence[Text], progress: Callable[[int], None]
) -> list[Encoding]:
    await service.start()
    try:
        answers = await service.encode_many(texts, priority=Priority.REENCODE, progress=progress)
    finally:
        await service.stop()
    return [answer for answer in answers if isinstance(answer, Encoding)]


def encode(
    settings: Settings, texts: Sequence[Text], progress: Callable[[int], None] = lambda _: None
) -> tuple[list[Encoding], str, int]:
    """The encodings of the texts, those that can't be encoded left out, with the encoder's
    fingerprint and dimensions. ``progress`` is told how many more are done.

    Raises ConfigurationError, BundleError.
    """
    service = EncodingService.open(settings)
    found = asyncio.run(_encode(service, texts, progress))
    return found, service.fingerprint, service.dimensions
