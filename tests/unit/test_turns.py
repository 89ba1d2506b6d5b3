"""The chunks of a partition pass each step in order; partitions don't wait for one another."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.state.phases import LostWrites
from streamer.turns import STEPS, Turns
from tests.support.chunks import chunk_of


async def idle(rng: random.Random) -> None:
    for _ in range(rng.randrange(4)):
        await asyncio.sleep(0)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "", *STEPS])), max_size=25),
    st.integers(0, 2**32),
)
def test_chunks_pass_in_order_and_alone_also_when_some_fail(
    arrivals: list[tuple[int, str]], seed: int
) -> None:
    """After a failure the state refuses the chunks that follow, until they are read again."""
    turns, rng, broken = Turns(), random.Random(seed), set[int]()
    inside, passed = set[tuple[int, str]](), defaultdict[tuple[int, str], list[int]](list)

    async def way(number: int, partition: int, fails: str) -> None:
        chunk = chunk_of([b"x"], start=number, partition=partition)
        with suppress(LostWrites), turns.of(chunk) as places:
            for step in STEPS:
                await idle(rng)
                async with places.turn(step):
                    assert (partition, step) not in inside
                    inside.add((partition, step))
                    await idle(rng)
                    inside.remove((partition, step))
                    passed[partition, step].append(number)
                    if fails == step or partition in broken:
                        broken.add(partition)
                        raise LostWrites(number)

    async def run() -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*(way(n, *arrival) for n, arrival in enumerate(arrivals)))

    asyncio.run(run())
    entered = [n for (_, step), numbers in passed.items() if step == "items" for n in numbers]
    assert sorted(entered) == list(range(len(arrivals)))
    assert all(numbers == sorted(numbers) for numbers in passed.values())


def test_a_chunk_that_failed_on_its_way_holds_up_none_that_is_read_again() -> None:
    async def run() -> None:
        turns, chunk = Turns(), chunk_of([b"x"])
        with suppress(LostWrites), turns.of(chunk):
            raise LostWrites(0)
        with turns.of(chunk) as places:
            for step in STEPS:
                async with asyncio.timeout(10), places.turn(step):
                    pass

    asyncio.run(run())


def test_a_slow_partition_holds_up_no_other() -> None:
    async def run() -> None:
        turns = Turns()
        slow, waiting, other = (
            chunk_of([b"x"], start=start, partition=partition)
            for start, partition in ((0, 0), (1, 0), (0, 1))
        )
        with (
            turns.of(slow) as first,
            turns.of(waiting) as second,
            turns.of(other) as third,
        ):
            async with first.turn("items"):
                async with third.turn("items"), third.turn("kin"):
                    pass
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01), second.turn("items"):
                        pass
            async with asyncio.timeout(10), second.turn("items"), first.turn("kin"):
                pass

    asyncio.run(run())
