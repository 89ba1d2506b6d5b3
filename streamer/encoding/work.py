"""A text on its way through the service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

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
class Call:
    """Texts that came together. ``future`` is what their caller awaits: all their answers, in order."""

    future: asyncio.Future[list[Answer | BadEvent]]
    texts: int
    _answers: dict[int, Answer | BadEvent] = field(default_factory=dict)

    def answered(self, place: int, answer: Answer | BadEvent) -> None:
        self._answers[place] = answer
        if len(self._answers) == self.texts and not self.future.done():
            self.future.set_result([self._answers[i] for i in range(self.texts)])


@dataclass(slots=True, eq=False)
class Request:
    """One raw text, and its place in the call it came with."""

    text: str
    kind: TextKind
    priority: Priority
    arrived: float
    call: Call
    place: int

    def answer(self, encoded: Encoded, model: Model, outcome: Outcome) -> None:
        self.call.answered(self.place, Answer(encoded, model.fingerprint, outcome))

    def refuse(self, bad: BadEvent) -> None:
        self.call.answered(self.place, BadEvent(bad.code, str(bad)))


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
        return [request for request in self.requests if not request.call.future.done()]

    def settle(self, result: Encoded | BadEvent) -> None:
        """Tells everyone who waits."""
        for place, request in enumerate(self.waiting()):
            if isinstance(result, BadEvent):
                request.refuse(result)
            else:
                request.answer(result, self.model, "joined" if place else "encoded")
