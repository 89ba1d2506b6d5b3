"""A chunk: one contiguous range of one partition, with the raw records inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def _nothing() -> None:
    pass


@dataclass(slots=True, eq=False)
class Chunk:
    """Records of ``topic``/``partition`` from offset ``start`` up to, not including, ``end``.

    The range is contiguous: the next chunk of the partition starts at ``end``. Offsets missing
    inside it (compaction, transaction markers) hold no record. ``log`` is the topic's id, which
    a topic made again under the same name does not share (KIP-516). ``timestamps_ms`` are the
    broker's record timestamps. Call ``done`` once everything that follows from the chunk is
    acknowledged; until then its offsets are not committed.
    """

    topic: str
    partition: int
    log: str
    start: int
    end: int
    offsets: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    keys: list[bytes | None]
    values: list[bytes | None]
    done: Callable[[], None] = field(default=_nothing, repr=False)

    def __len__(self) -> int:
        return len(self.values)
