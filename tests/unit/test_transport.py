"""What is fetched becomes contiguous chunks, and every partition has its share of a fetch."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streamer.chunk import Chunk
from streamer.lane import Lane
from streamer.transport import ChunkConsumer, ConsumerThread

PARTITION = TP("topic", 0)


@dataclass
class Record:
    offset: int
    timestamp: int = 1_700_000_000_000
    key: bytes = b"k"
    value: bytes = b"v"


def chunks_of(lane: Lane, offsets: list[int]) -> list[Chunk]:
    consumer: Any = SimpleNamespace()
    consumer._chunk = partial(ChunkConsumer._chunk, consumer)
    found = []
    for chunk in ChunkConsumer._chunks(consumer, PARTITION, lane, [Record(o) for o in offsets]):
        lane.issue(chunk)
        found.append(chunk)
    return found


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=6), min_size=1, max_size=6),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_chunks_follow_one_another_and_none_reaches_over_where_processing_resumes(
    fetches: list[list[int]], start: int, ahead: int
) -> None:
    lane, at = Lane("log", start + ahead, start, 10**6, 10**9), start - 1
    position = start
    for gaps in fetches:
        offsets = []
        for gap in gaps:
            at += gap
            offsets.append(at)
        chunks = chunks_of(lane, offsets)
        if len(chunks) == 2:
            assert chunks[1].start == lane.resume
        assert [o for chunk in chunks for o in chunk.offsets.tolist()] == offsets
        for chunk in chunks:
            assert chunk.start == position
            assert all(chunk.start <= offset < chunk.end for offset in chunk.offsets.tolist())
            assert len(chunk.keys) == len(chunk.values) == len(chunk.timestamps_ms) == len(chunk)
            assert chunk.reread == bool((chunk.offsets < lane.resume).any())
            assert not chunk.reread or chunk.end <= lane.resume
            position = chunk.end
        assert position == at + 1


@dataclass
class Fetcher:
    """Holds endless records of some partitions, and says in which order it was asked."""

    full: set[Any]
    asked: list[Any] = field(default_factory=list)
    _closed: bool = False
    _subscriptions: Any = field(
        default_factory=lambda: SimpleNamespace(fetch_context=lambda: nullcontext())
    )

    async def fetched_records(
        self, partitions: list[Any], timeout: float | None, max_records: int
    ) -> dict[Any, list[Record]]:
        self.asked += partitions
        return {tp: [Record(0)] * max_records for tp in partitions if tp in self.full}


def fetch(fetcher: Fetcher, active: set[TP], rounds: int) -> list[dict[TP, list[Any]]]:
    thread = cast(Any, SimpleNamespace(_turn=0, consumer=SimpleNamespace(flow_active=True)))
    consumer = cast(Any, SimpleNamespace(_closed=False, _fetcher=fetcher))

    async def run() -> list[dict[TP, list[Any]]]:
        return [
            await ConsumerThread._fetch_records(thread, consumer, active, 0.1, 100)
            for _ in range(rounds)
        ]

    return asyncio.run(run())


@pytest.mark.parametrize("full", [1, 2, 5])
def test_every_full_partition_has_an_equal_share_of_every_fetch(full: int) -> None:
    partitions = [TP(topic, n) for topic in ("a", "b") for n in range(3)]
    fetcher = Fetcher(set(partitions[:full]))
    for found in fetch(fetcher, set(partitions), 6):
        assert {tp: len(records) for tp, records in found.items()} == dict.fromkeys(
            partitions[:full], 100
        )
    firsts = fetcher.asked[:: len(partitions)]
    assert sorted(firsts) == partitions


def test_where_nothing_has_arrived_a_fetch_waits_for_any_partition() -> None:
    partitions = {TP("a", 0), TP("a", 1)}
    fetcher = Fetcher(set())
    assert fetch(fetcher, partitions, 1) == [{}]
    assert fetcher.asked[2:] == sorted(partitions)
