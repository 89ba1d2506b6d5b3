"""Every shard is brought to the chunk's end, whatever its watermark says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import StoreEmpty
from streamer.state.keys import Keys
from streamer.state.phases import LostWrites, run_phase
from streamer.state.store import ShardCall, ShardReply, Status

START, END = 10, 20


@dataclass
class WatermarkedShards:
    """Shards that answer as apply.lua does; None is a shard without a watermark."""

    watermarks: list[int | None]

    @property
    def keys(self) -> Keys:
        return Keys("g", len(self.watermarks))

    async def apply(self, calls: Sequence[ShardCall]) -> list[ShardReply]:
        return [self._answer(call) for call in calls]

    def _answer(self, call: ShardCall) -> ShardReply:
        at = self.watermarks[call.shard]
        status: Status = "applied"
        if at is None:
            return ShardReply("unborn", 0, [])
        if at < call.first:
            return ShardReply("gap", at, [])
        if call.first < at < call.last:
            return ShardReply("inside", at, [])
        if at >= call.last:
            status = "before"
        self.watermarks[call.shard] = max(at, call.last)
        return ShardReply(status, max(at, call.last), [f"{call.shard}:{call.first}".encode()])


def run(shards: WatermarkedShards) -> list[ShardReply]:
    def call_for(shard: int, first: int) -> ShardCall:
        return ShardCall(shard, "i:log:0", first, END, "i")

    return asyncio.run(run_phase(cast(Any, shards), START, call_for))


@given(st.lists(st.integers(START, END + 5), min_size=1, max_size=6))
def test_every_shard_applies_exactly_the_part_it_lacks(watermarks: list[int | None]) -> None:
    shards = WatermarkedShards(list(watermarks))
    replies = run(shards)
    assert shards.watermarks == [max(cast(int, at), END) for at in watermarks]
    for shard, (at, reply) in enumerate(zip(watermarks, replies, strict=True)):
        inside = START < cast(int, at) < END
        assert reply.entries == [f"{shard}:{at if inside else START}".encode()]
        assert reply.status == ("before" if cast(int, at) >= END else "applied")


def test_the_shard_furthest_behind_says_where_to_read_again() -> None:
    with pytest.raises(LostWrites) as lost:
        run(WatermarkedShards([15, 7, 4, 20]))
    assert lost.value.watermark == 4


def test_a_shard_that_was_emptied_is_told_from_one_that_is_behind() -> None:
    with pytest.raises(StoreEmpty, match="--rebuild or --from-now"):
        run(WatermarkedShards([10, None]))
