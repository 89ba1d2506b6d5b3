"""Bookkeeping of one partition: what has been handed out, what is done, what may be committed."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from streamer.chunk import Chunk, value_bytes

MAX_CHUNKS = 3


class Room(NamedTuple):
    """So many records, and values that are so long together; at least 1 each."""

    records: int
    bytes: int


@dataclass(slots=True, eq=False)
class _Issued:
    start: int
    end: int
    records: int
    bytes: int
    processed: bool = False
    done: bool = False


@dataclass(slots=True, eq=False)
class Lane:
    """One partition from the moment it was assigned or sought until it is revoked or sought again.

    ``position`` is where the next chunk starts, ``fetched`` how far the log was read: further, where
    nothing came that a chunk could hold. ``end`` is where the log ended when the broker was last
    asked. Chunks may finish in any order; ``committable`` is never past one that has not.
    """

    log: str
    resume: int
    position: int
    max_records: int
    max_bytes: int
    chunks: int = 0
    records: int = 0
    bytes: int = 0
    fetched: int = field(init=False)
    end: int = 0
    moved_at: float = field(default_factory=time.monotonic)
    _issued: deque[_Issued] = field(default_factory=deque)
    _by_start: dict[int, _Issued] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fetched = self.position

    def has_room(self) -> bool:
        """Whether another chunk may be handed out; one always may when nothing is in flight.

        Three chunks at most are, two being worked on and the next: while they wait, what comes in
        gathers into one chunk instead of many small ones, the better the busier the worker is.
        """
        return not self.chunks or (
            self.chunks < MAX_CHUNKS
            and self.records < self.max_records
            and self.bytes < self.max_bytes
        )

    @property
    def room(self) -> Room:
        """What the next chunk may hold. Its last record may reach beyond the bytes, so a lane holds
        less than ``max_bytes`` and one record more. What the client has fetched and not handed out
        is beside that: ``faust_app.FETCH_BYTES``, or one batch where that is larger, as it was sent,
        and of it one batch unpacked."""
        return Room(max(1, self.max_records - self.records), max(1, self.max_bytes - self.bytes))

    def read_to(self, offset: int) -> None:
        """A fetch has come that ends before this offset, with records or without."""
        if offset > self.fetched:
            self.fetched = offset
            self.moved()

    def moved(self) -> None:
        """Something on the way of its chunks has."""
        self.moved_at = time.monotonic()

    def issue(self, chunk: Chunk) -> None:
        issued = _Issued(chunk.start, chunk.end, len(chunk), value_bytes(chunk.values))
        self._issued.append(issued)
        self._by_start[chunk.start] = issued
        self.position = chunk.end
        self.fetched = max(self.fetched, chunk.end)
        self.chunks += 1
        self.records += issued.records
        self.bytes += issued.bytes

    def processed(self, start: int) -> None:
        """Frees the room of the chunk that starts there; does nothing the second time."""
        issued = self._by_start.get(start)
        if issued and not issued.processed:
            issued.processed = True
            self.chunks -= 1
            self.records -= issued.records
            self.bytes -= issued.bytes
            self.moved()

    def done(self, start: int) -> None:
        self.processed(start)
        issued = self._by_start.pop(start, None)
        if issued:
            issued.done = True
            self.moved()

    def committable(self) -> int | None:
        """The offset up to which everything is done and that was not returned before. What is read
        again, up to ``resume``, was committed before."""
        end = None
        while self._issued and self._issued[0].done:
            end = self._issued.popleft().end
        return None if end is None or end <= self.resume else end

    @property
    def unfinished(self) -> int:
        """The first offset that is not done."""
        return self.finished if self.in_flight else self.fetched

    @property
    def finished(self) -> int:
        """The offset up to which chunks were handed out and are done. What was read behind the last
        of them holds no record, and nobody has been told of it."""
        issued = next((i for i in self._issued if not i.done), None)
        return self.position if issued is None else issued.start

    @property
    def in_flight(self) -> int:
        """Chunks handed out and not done."""
        return len(self._by_start)
