"""Chunks made of values, and plain valid events, for whatever reads records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np

from streamer.chunk import Chunk
from streamer.validity import Limits

NOW = 1_700_000_000.0
LIMITS = Limits(
    now=NOW, future_tolerance_seconds=0.0, max_text_chars=1000, dead_letter_max_bytes=64
)


def chunk_of(
    values: Sequence[bytes | None],
    *,
    start: int = 0,
    topic: str = "topic",
    partition: int = 0,
    written_at: float = NOW,
) -> Chunk:
    """A chunk of consecutive offsets that holds these values, all written at the same time, in
    seconds; negative for never."""
    offsets = np.arange(start, start + len(values))
    return Chunk(
        topic=topic,
        partition=partition,
        log=topic,
        start=start,
        end=start + len(values),
        offsets=offsets,
        timestamps_ms=np.full(len(values), round(1000 * written_at)),
        keys=[b"key"] * len(values),
        values=list(values),
    )


def view(**fields: Any) -> bytes:
    """A valid view as MessagePack, with these fields replaced or added."""
    return _packed({"item_id": "i1", "type": "view", "time": NOW - 60, **fields})


def item(**fields: Any) -> bytes:
    """A valid catalogue event as MessagePack, with these fields replaced or added."""
    return _packed({"item_id": "i1", "time": NOW - 60, "title": "Oat milk", **fields})


def _packed(fields: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed
