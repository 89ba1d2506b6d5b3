"""What the service tells about itself; whoever wants metrics implements it."""

from __future__ import annotations

from typing import Literal, Protocol

from streamer.encoding.batcher import Priority

Outcome = Literal["encoded", "cached", "joined", "refused"]
"""How a text was answered: by the model, from the cache, together with an equal text that was
already on its way, or not at all."""


Level = Literal["memory", "redis"]
"""Where a text's result was looked for."""


class Observer(Protocol):
    """Must be quick and must not raise. Called on the event loop's thread, `split` and `looked_up`
    on others."""

    def batch(self, *, texts: int, tokens: int, computed: int, seconds: float) -> None:
        """A forward pass: tokens of the texts, tokens computed for them (padding included)."""

    def prepared(self, *, texts: int, seconds: float) -> None:
        """Texts that were cleaned, looked up and tokenised together."""

    def answered(self, *, priority: Priority, outcome: Outcome, texts: int, seconds: float) -> None:
        """Texts' results, this long after they were handed in."""

    def waiting(self, *, texts: int) -> None:
        """Texts now inside the service."""

    def split(self) -> None:
        """A batch that failed was cut in two and is tried again."""

    def looked_up(
        self, *, level: Level, hits: int = 0, misses: int = 0, unreachable: int = 0
    ) -> None:
        """Texts that a cache knew, did not know, or could not be asked for or given."""


class Silent:
    """The observer of those who don't want one."""

    def batch(self, *, texts: int, tokens: int, computed: int, seconds: float) -> None:
        pass

    def prepared(self, *, texts: int, seconds: float) -> None:
        pass

    def answered(self, *, priority: Priority, outcome: Outcome, texts: int, seconds: float) -> None:
        pass

    def waiting(self, *, texts: int) -> None:
        pass

    def split(self) -> None:
        pass

    def looked_up(
        self, *, level: Level, hits: int = 0, misses: int = 0, unreachable: int = 0
    ) -> None:
        pass
