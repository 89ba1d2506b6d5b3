"""What looks like a loss in Redis to who compares it with what a worker has finished."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streamer.lane import Lane
from streamer.state.birth import COUNTED
from streamer.vigil import Vigil

PARTITION = TP("topic", 0)


def rewound(lane: Lane, applied: int) -> list[int]:
    """From where a partition is read again of which Redis has applied so much."""
    found: list[int] = []

    async def watermarks(fields: Sequence[str]) -> list[list[int]]:
        return [[applied] * len(fields)]

    consumer = SimpleNamespace(
        lanes={PARTITION: lane}, rewind=lambda lane, tp, offset: found.append(offset)
    )
    worker: Any = SimpleNamespace(
        app=SimpleNamespace(consumer=consumer),
        phases={PARTITION.topic: COUNTED},
        store=SimpleNamespace(watermarks=watermarks),
        forget_what_was_lost=lambda: None,
    )
    asyncio.run(Vigil(worker).look())
    return found


@pytest.mark.parametrize(("applied", "again"), [(10, []), (9, [9])])
def test_what_holds_no_record_at_the_end_of_a_log_is_not_missed(
    applied: int, again: list[int]
) -> None:
    """As a mark of a transaction, fetched by itself."""
    lane = Lane("log", 10, 10, 100, 100)
    lane.read_to(11)
    assert rewound(lane, applied) == again
