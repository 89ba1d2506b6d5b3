"""A text on its way through the service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from streamer.encoding.batcher import Priority
from streamer.encoding.cache import Encoded
from streamer.encoding.model import Model
from streamer.encoding.observer import Outcome
from streamer.encoding.tokenizer import Tokens
from streamer.errors import BadEvent
from streamer.events import TextKind


@dataclass(slots=True, eq=False)
class Answer:
    """What comes back to a caller."""

    encoded: Encoded
    fingerprint: str
    outcome: Outcome


@dataclass(slots=True, eq=False)
class Request:
    """One call of `encode`: the raw text, and the future its caller awaits."""

    text: str
    kind: TextKind
    priority: Priority
    arrived: float
    future: asyncio.Future[Answer]

    def answer(self, encoded: Encoded, model: Model, outcome: Outcome) -> None:
        if not self.future.done():
            self.future.set_result(Answer(encoded, model.fingerprint, outcome))

    def refuse(self, bad: BadEvent) -> None:
        if not self.future.done():
            self.future.set_exception(BadEvent(bad.code, str(bad)))


@dataclass(slots=True, eq=False)
class Work:
    """A cleaned, tokenised text that waits for a forward pass, and everyone who asked for it.

    ``arrived`` and ``priority`` are the first asker's. A ``foreign`` text is encoded but not judged.
    """

    key: bytes
    tokens: Tokens
    kind: TextKind
    model: Model
    arrived: float
    priority: Priority
    requests: list[Request]
    foreign: bool = False

    @property
    def length(self) -> int:
        return len(self.tokens)

    def waiting(self) -> list[Request]:
        """Those who asked and have not cancelled."""
        return [request for request in self.requests if not request.future.done()]

    def settle(self, result: Encoded | BadEvent) -> None:
        """Tells everyone who waits."""
        for place, request in enumerate(self.waiting()):
            if isinstance(result, BadEvent):
                request.refuse(result)
            else:
                request.answer(result, self.model, "joined" if place else "encoded")
