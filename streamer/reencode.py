"""Reads every live item's description with another encoder, before a bundle needs it.

What is to be read is asked of the state each time, so it can be stopped at any moment and goes on
where it was, and items that come meanwhile are found too. Reviews are not read again: each counts
once, by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from streamer.encoding.batcher import Priority
from streamer.encoding.service import EncodingService
from streamer.events import Encoding, Text
from streamer.intake import words
from streamer.outputs import Outputs
from streamer.publish import Publisher
from streamer.replay.producing import producing
from streamer.settings import Settings
from streamer.state.connection import connected
from streamer.state.coverage import Coverage, walk
from streamer.state.keys import Keys
from streamer.state.known import Known
from streamer.state.store import Store

Send = Callable[[list[Encoding]], Awaitable[None]]


@dataclass(slots=True)
class Reencoder:
    """Encodes with ``service``, hands the encodings to ``send``."""

    store: Store
    service: EncodingService
    send: Send

    async def once(self, progress: Callable[[Coverage], None] = lambda _: None) -> Coverage:
        """All items that lack this encoder's vector, once. ``progress`` is told how many items were
        looked at, and of how many there is a vector, those just sent among them."""
        found = Coverage()
        for shard in range(self.store.keys.shards):
            async for batch in walk(self.store, shard):
                now = await self._read(batch, found)
                found.read += now
                progress(found)
        return found

    async def _read(self, batch: Mapping[str, Known], found: Coverage) -> int:
        """How many of a batch were read now."""
        fingerprint = self.service.fingerprint
        lacking = {i: known for i, known in batch.items() if found.add(known, fingerprint)}
        texts = [text for item in lacking.items() if (text := _text(*item))]
        answers = await self.service.encode_many(texts, priority=Priority.REENCODE)
        # Of a text that this encoder can't read a dead letter was written when it came.
        encodings = [answer for answer in answers if isinstance(answer, Encoding)]
        await self.send(encodings)
        return len(encodings)


def _text(item_id: str, known: Known) -> Text | None:
    """The description whose other vectors are there; None where a later one is on its way."""
    content, facts = known.content, known.facts
    if content is None or facts is None or facts.time != content.time:
        return None
    listing = facts.listing
    return Text(
        item_id=item_id,
        kind="description",
        text_id=content.text_id,
        text=words(listing),
        language=listing.language,
        time=content.time,
        order=content.order,
    )


async def reencode(
    settings: Settings,
    service: EncodingService,
    progress: Callable[[Coverage], None],
    looked: Callable[[Coverage], None],
    every_seconds: float | None = None,
) -> None:
    """Reads what ``service``'s encoder has not read; again ``every_seconds``, for ever, where that is
    given. ``looked`` is told what each look came to. Raises RedisUnavailable, BrokerUnavailable."""
    keys = Keys(settings.group, settings.shards)
    async with connected(settings) as client, producing(settings) as producer:
        store = Store(client, keys, settings.user_retention_seconds)
        outputs = Outputs(Publisher(producer), settings)
        await service.start()
        try:
            encoder = Reencoder(store, service, outputs.encodings)
            while True:
                looked(await encoder.once(progress))
                if every_seconds is None:
                    return
                await asyncio.sleep(every_seconds)
        finally:
            await service.stop()
