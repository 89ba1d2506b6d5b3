"""Chunks that wait go together, those of a partition in order and without a gap."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.chunk import Chunk
from streamer.flow import Flow
from tests.support.chunks import chunk_of

AT_ONCE, MAX_RECORDS = 2, 6


class Road:
    """A way that takes its time, and notes the batches that went along it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.batches: list[list[Chunk]] = []
        self.under_way = self.most_under_way = 0

    async def go(self, chunks: list[Chunk]) -> None:
        self.batches.append(chunks)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        for _ in range(self.rng.randrange(6)):
            await asyncio.sleep(0)
        self.under_way -= 1


async def play(flow: Flow, chunks: list[Chunk], rng: random.Random) -> None:
    running = asyncio.create_task(flow.run())
    for chunk in chunks:
        flow.add(chunk)
        if rng.random() < 0.4:
            await asyncio.sleep(0)
    for _ in range(200):
        await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 5), st.sampled_from([0, 0, 0, -3, 2])),
        max_size=30,
    ),
    st.integers(0, 2**32),
)
def test_every_chunk_goes_once_in_order_of_its_partition(
    arrivals: list[tuple[int, int, int]], seed: int
) -> None:
    rng, ends, chunks = random.Random(seed), {0: 10, 1: 10, 2: 10}, []
    for partition, records, jump in arrivals:
        start = max(0, ends[partition] + jump)
        chunks.append(chunk_of([b"x"] * records, start=start, partition=partition))
        ends[partition] = start + records
    road, failures = Road(rng), list[Exception]()
    asyncio.run(play(Flow(road.go, AT_ONCE, MAX_RECORDS, failures.append), chunks, rng))
    assert not failures
    assert road.most_under_way <= AT_ONCE
    went = [chunk for batch in road.batches for chunk in batch]
    assert len(went) == len(chunks)
    for partition in range(3):
        mine = [chunk for chunk in chunks if chunk.partition == partition]
        assert [chunk for chunk in went if chunk.partition == partition] == mine
    for batch in road.batches:
        assert sum(len(chunk) for chunk in batch[:-1]) < MAX_RECORDS
        for partition in range(3):
            mine = [chunk for chunk in batch if chunk.partition == partition]
            assert all(a.end == b.start for a, b in itertools.pairwise(mine))


def test_what_comes_while_all_are_under_way_goes_together() -> None:
    async def run() -> list[int]:
        gate, sizes = asyncio.Event(), list[int]()

        async def way(chunks: list[Chunk]) -> None:
            sizes.append(len(chunks))
            await gate.wait()

        flow = Flow(way, 1, 100, pytest.fail)
        running = asyncio.create_task(flow.run())
        for partition in range(4):
            flow.add(chunk_of([b"x"], partition=partition))
            await asyncio.sleep(0.01)
        gate.set()
        await asyncio.sleep(0.01)
        running.cancel()
        return sizes

    assert asyncio.run(run()) == [1, 3]


def test_what_goes_wrong_on_the_way_is_told_and_the_next_batch_has_room() -> None:
    async def run() -> tuple[list[str], int]:
        failures, went = list[str](), list[int]()

        async def way(chunks: list[Chunk]) -> None:
            went.append(chunks[0].partition)
            if not chunks[0].partition:
                raise RuntimeError("a stone")

        flow = Flow(way, 1, 1, lambda error: failures.append(str(error)))
        running = asyncio.create_task(flow.run())
        for partition in range(2):
            flow.add(chunk_of([b"x"], partition=partition))
            await asyncio.sleep(0.01)
        running.cancel()
        return failures, len(went)

    assert asyncio.run(run()) == (["a stone"], 2)
