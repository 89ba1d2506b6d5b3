"""A chunk: one contiguous range of one partition, with the raw records inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


def value_bytes(values: Iterable[bytes | None]) -> int:
    """How long the values are together."""
    return sum(map(len, filter(None, values)))


class Source(Protocol):
    """Where a chunk came from, told what became of it."""

    def moved(self, chunk: Chunk) -> None: ...

    def processed(self, chunk: Chunk) -> None: ...

    def done(self, chunk: Chunk) -> None: ...

    def rewind(self, chunk: Chunk, offset: int) -> None: ...


@dataclass(slots=True, eq=False)
class Chunk:
    """Records of ``topic``/``partition`` from offset ``start`` up to, not including, ``end``.

    The range is contiguous: the next chunk of the partition starts at ``end``. Offsets missing
    inside it (compaction, transaction markers) hold no record. ``log`` is the topic's id, which
    a topic made again under the same name does not share (KIP-516). ``timestamps_ms`` are the
    records' timestamps, 0 or less where there is none. A ``reread`` chunk lies before the offset at
    which processing goes on: it is there to be remembered, not to be applied.
    """

    topic: str
    partition: int
    log: str
    start: int
    end: int
    offsets: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: list[bytes | None]
    reread: bool = False
    source: Source | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.values)

    def let_go(self) -> None:
        """The records are not needed any more, only where the chunk is from."""
        self.keys, self.values = [], []

    def moved(self) -> None:
        """It is on its way, or waits behind what is: nothing stands still."""
        if self.source:
            self.source.moved(self)

    def processed(self) -> None:
        """Its scores are published: its place in memory may be given to the next one."""
        if self.source:
            self.source.processed(self)

    def done(self) -> None:
        """Everything that follows from the chunk is acknowledged: its offsets may be committed."""
        if self.source:
            self.source.done(self)

    def rewind(self, offset: int) -> None:
        """The partition must be read again from ``offset``; chunks from here on are void."""
        if self.source:
            self.source.rewind(self, offset)
