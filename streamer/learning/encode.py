"""Encodes the texts of a data set with the encoder that serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from streamer.encoding.batcher import Priority
from streamer.encoding.service import EncodingService
from streamer.errors import BadEvent
from streamer.events import Encoding, Text
from streamer.settings import Settings

AT_ONCE = 1000


async def _encode(
    service: EncodingService, texts: Sequence[Text], progress: Callable[[int], None]
) -> list[Encoding]:
    await service.start()
    found: list[Encoding] = []
    try:
        for start in range(0, len(texts), AT_ONCE):
            some = texts[start : start + AT_ONCE]
            answers = await asyncio.gather(
                *(service.encode(text, priority=Priority.REENCODE) for text in some),
                return_exceptions=True,
            )
            for answer in answers:
                if isinstance(answer, Encoding):
                    found.append(answer)
                elif not isinstance(answer, BadEvent):
                    raise answer
            progress(len(some))
    finally:
        await service.stop()
    return found


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
