"""The inference service: many callers hand in texts, one encoder answers them in batches.

A text passes these stages, which overlap:

1. `encode_many` waits until its priority has room (that is the back-pressure) and joins the inbox.
2. *Prepare*, on a thread: inboxes are emptied in order of priority; texts are cleaned, looked
   up in the cache, and tokenised, many at once.
3. *Gather*, on the event loop: a text equal to one on its way joins it; the others wait in the
   `Batcher` until enough have come together, or the deadline has passed. Texts that everyone has
   cancelled go no further.
4. *Forward*, on one thread per stream of the backend: the model encodes a batch. A batch that
   fails is cut in two; a text that fails alone raises BadEvent to its callers.
5. Results go to the cache and to everyone who waits for them.

A batch belongs to one model, whose fingerprint its results carry. `swap` changes the encoder
for texts prepared from then on; those already prepared are still encoded by the old one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from streamer.encoding.batcher import Limits, Priority
from streamer.encoding.cache import CACHE_SIZE, Cache, MemoryCache
from streamer.encoding.encoder import Encoder
from streamer.encoding.kernels import keep_few
from streamer.encoding.observer import Observer, Outcome, Silent
from streamer.encoding.pipeline import Pipeline
from streamer.encoding.room import Room
from streamer.encoding.work import Answer, Call, Request
from streamer.errors import BadEvent
from streamer.events import Encoding, Text
from streamer.settings import Settings

ROOM = 2048
"""At least so many texts of one priority may be inside the service; further ones wait outside."""
TOKENS_A_TEXT = 4
"""Where batches are large there is room for a batch of texts as short as this."""

CALL_TEXTS = 64
"""Texts that are handed in and answered together. For each of them alone, tasks and futures would take
longer than all the rest that Python does."""

FORWARD_TIMEOUT_SECONDS = 120.0
"""A forward pass that takes longer hangs: no batch within a sane token budget takes a tenth."""

_PRIORITIES = {"description": Priority.DESCRIPTION, "review": Priority.REVIEW}


class EncodingService:
    """Queue → clean → tokenise → batch → forward → heads; see the module docstring for the stages."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        batch_tokens: int,
        deadline_seconds: float,
        cache: Cache | None = None,
        observer: Observer | None = None,
        forward_timeout_seconds: float = FORWARD_TIMEOUT_SECONDS,
    ) -> None:
        self._observer: Observer = observer or Silent()
        room = max(ROOM, batch_tokens // TOKENS_A_TEXT)
        self._room = {priority: Room(room) for priority in Priority}
        self._batch_tokens, self._deadline = batch_tokens, deadline_seconds
        self._pipeline = Pipeline(
            encoder,
            self._limits(encoder),
            MemoryCache(CACHE_SIZE) if cache is None else cache,
            self._observer,
            forward_timeout_seconds,
        )

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        cache: Cache | None = None,
        observer: Observer | None = None,
    ) -> EncodingService:
        """Loads the weights, chooses a backend and warms it up: seconds, so not on an event loop.

        Raises ConfigurationError, BundleError.
        """
        keep_few()
        encoder = Encoder.open(settings)
        return cls(
            encoder,
            batch_tokens=encoder.batch_tokens,
            deadline_seconds=settings.encoder_deadline_seconds,
            cache=cache,
            observer=observer,
        )

    @property
    def encoder(self) -> Encoder:
        return self._pipeline.encoder

    @property
    def fingerprint(self) -> str:
        """Of the model that descriptions go through."""
        return self._pipeline.encoder.description.fingerprint

    @property
    def dimensions(self) -> int:
        return self._pipeline.encoder.description.dimensions

    @property
    def backend(self) -> str:
        return self._pipeline.encoder.description.backend.name

    async def start(self) -> None:
        self._pipeline.start()

    def swap(self, encoder: Encoder) -> None:
        """Changes the encoder while texts keep coming; none is lost, or read by two models.

        Open the new one elsewhere first (`Encoder.open` on a thread), so that nothing stalls.
        """
        self._pipeline.swap(encoder, self._limits(encoder))

    async def stop(self) -> None:
        """Lets running batches end; who still waits for a text, or comes later, gets
        CancelledError."""
        await self._pipeline.stop()

    async def encode(self, text: Text, *, priority: Priority | None = None) -> Encoding:
        """The encoding of one text. Raises BadEvent where there is none, and what `encode_many` does."""
        (found,) = await self.encode_many([text], priority=priority)
        if isinstance(found, BadEvent):
            raise found
        return found

    async def encode_many(
        self,
        texts: Sequence[Text],
        *,
        priority: Priority | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[Encoding | BadEvent]:
        """The encoding of each text, or why there is none. Waits while the service is full.

        Who cancels is not counted, nor are the texts encoded unless they are on their way through the
        model or others wait for them. ``progress`` is told, ever again, how many more are done.

        Raises Stalled or ModelBroken when the service is beyond repair, from then on for every text.
        """
        found: dict[int, Encoding | BadEvent] = {}

        async def part(places: Sequence[int]) -> None:
            some = [texts[place] for place in places]
            chosen = _PRIORITIES[some[0].kind] if priority is None else priority
            found.update(zip(places, await self._call(some, chosen), strict=True))
            progress(len(places))

        await asyncio.gather(*map(part, _parts(texts)))
        return [found[place] for place in range(len(texts))]

    async def _call(
        self, texts: Sequence[Text], priority: Priority
    ) -> Iterator[Encoding | BadEvent]:
        """Texts of one kind."""
        async with self._room[priority].of(len(texts)):
            if self._pipeline.failure:
                raise self._pipeline.failure
            arrived = time.monotonic()
            call = Call(asyncio.get_running_loop().create_future(), len(texts))
            self._pipeline.submit(
                call,
                [
                    Request(text.text, text.kind, priority, arrived, call, place)
                    for place, text in enumerate(texts)
                ],
            )
            answers = await call.future
        seconds = time.monotonic() - arrived
        for outcome, count in Counter(map(_outcome, answers)).items():
            self._observer.answered(
                priority=priority, outcome=outcome, texts=count, seconds=seconds
            )
        return map(_event, texts, answers)

    def _limits(self, encoder: Encoder) -> Limits:
        return Limits(self._batch_tokens, self._deadline, encoder.description.backend.padded)


def _parts(texts: Sequence[Text]) -> Iterator[list[int]]:
    """The places of texts that make a call: some of one kind."""
    for kind in _PRIORITIES:
        places = [place for place, text in enumerate(texts) if text.kind == kind]
        for start in range(0, len(places), CALL_TEXTS):
            yield places[start : start + CALL_TEXTS]


def _outcome(answer: Answer | BadEvent) -> Outcome:
    return "refused" if isinstance(answer, BadEvent) else answer.outcome


def _event(text: Text, answer: Answer | BadEvent) -> Encoding | BadEvent:
    if isinstance(answer, BadEvent):
        return answer
    return Encoding(
        item_id=text.item_id,
        kind=text.kind,
        text_id=text.text_id,
        time=text.time,
        order=text.order,
        event_id=text.event_id,
        fingerprint=answer.fingerprint,
        vector=answer.encoded.vector,
        sentiment=answer.encoded.sentiment,
    )
