"""Every shard is brought to the end of every range, whatever its watermarks say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import StoreEmpty
from streamer.state.batch import Range
from streamer.state.phases import UNKNOWN, LostWrites, open_ranges, run_phase
from streamer.state.store import Reply

RANGES = [Range("log", 0, "topic", 10, 20), Range("log", 1, "topic", 5, 8)]
ENDS = [each.end for each in RANGES]


@dataclass
class WatermarkedShards:
    """Shards that answer as the scripts do; ``unready`` says how often each of them answers that a
    record has changed. What is applied is noted as [shard, first offset of each range]."""

    watermarks: list[list[int]]
    unready: list[int]

    def __post_init__(self) -> None:
        self.applied: list[tuple[int, list[int]]] = []

    async def attempt(self, waiting: Mapping[int, tuple[int, ...]]) -> Sequence[Reply]:
        return [self._answer(shard, first) for shard, first in waiting.items()]

    def _answer(self, shard: int, first: tuple[int, ...]) -> Reply:
        mine = self.watermarks[shard]
        asked = open_ranges(RANGES, first)
        if any(mine[number] != first[number] for number in asked):
            return Reply(stands=[mine[number] for number in asked])
        if self.unready[shard]:
            self.unready[shard] -= 1
            return Reply(changed=[0])
        self.applied.append((shard, list(first)))
        for number in asked:
            mine[number] = ENDS[number]
        return Reply(applied=[])


def run(watermarks: list[list[int]], unready: list[int] | None = None) -> WatermarkedShards:
    shards = WatermarkedShards(watermarks, unready or [0] * len(watermarks))
    asyncio.run(run_phase("i", RANGES, len(watermarks), shards.attempt))
    return shards


standing = st.tuples(st.integers(10, 25), st.integers(5, 10))


@given(st.lists(st.tuples(standing, st.integers(0, 3)), min_size=1, max_size=6))
def test_every_shard_applies_exactly_the_parts_it_lacks(
    shards: list[tuple[tuple[int, int], int]],
) -> None:
    at = [list(watermarks) for watermarks, _ in shards]
    found = run([*map(list, at)], [unready for _, unready in shards])
    assert found.watermarks == [[max(a, e) for a, e in zip(mine, ENDS, strict=True)] for mine in at]
    assert sorted(found.applied) == [
        (shard, [min(a, e) for a, e in zip(mine, ENDS, strict=True)])
        for shard, mine in enumerate(at)
        if any(a < e for a, e in zip(mine, ENDS, strict=True))
    ]


def test_the_shard_furthest_behind_says_where_to_read_a_range_again() -> None:
    with pytest.raises(LostWrites) as lost:
        run([[15, 5], [7, 6], [4, 5], [20, 8]])
    assert lost.value.watermarks == {0: 4}
    with pytest.raises(LostWrites) as lost:
        run([[9, 4], [10, 3]])
    assert lost.value.watermarks == {0: 9, 1: 3}


def test_a_shard_that_was_emptied_is_told_from_one_that_is_behind() -> None:
    with pytest.raises(StoreEmpty, match=r"i:log:1 .*--rebuild or --from-now"):
        run([[10, 5], [10, UNKNOWN]])
