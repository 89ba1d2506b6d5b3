"""A batch is applied in two phases, each exactly once on every shard.

First the items: what happened is added to their records, and what is known of each is certain from
then on. Then the kin: with that, and nothing else, it is decided which events count for which
relatives. What the first phase says of an event can't change later in a way that matters
(``relatives._direct_from``), so a crash between the phases, a second worker or a replay decide
alike. Each phase has watermarks of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from streamer.errors import StoreEmpty
from streamer.state.batch import Range
from streamer.state.store import Reply

Offsets = tuple[int, ...]
"""An offset in each range."""

UNKNOWN = -1
"""Where a shard stands in a log that it does not know."""


class LostWrites(Exception):
    """Redis is behind the log: these ranges, by place, must be read again from these offsets."""

    def __init__(self, watermarks: dict[int, int]) -> None:
        super().__init__(watermarks)
        self.watermarks = watermarks


def emptied(watermark: str) -> StoreEmpty:
    """What to raise when a shard does not know a log that it knew."""
    return StoreEmpty(
        f"Redis has no watermark {watermark} any more: it was emptied under a running group; "
        "start again with --rebuild or --from-now"
    )


Attempt = Callable[[Mapping[int, Offsets]], Awaitable[Sequence[Reply]]]
"""Calls the script for some shards, each from its own offset on in each range; the replies follow
the mapping's order."""


async def run_phase(phase: str, ranges: Sequence[Range], shards: int, attempt: Attempt) -> None:
    """Brings every shard to the end of every range.

    Raises LostWrites, StoreEmpty.
    """
    starts = tuple(each.start for each in ranges)
    waiting: dict[int, Offsets] = dict.fromkeys(range(shards), starts)
    lost: dict[int, int] = {}
    while waiting:
        replies = await attempt(waiting)
        left: dict[int, Offsets] = {}
        for (shard, first), reply in zip(waiting.items(), replies, strict=True):
            if reply.stands is not None:
                left[shard] = _standing(phase, ranges, first, reply.stands, lost)
            elif reply.changed is not None:
                left[shard] = first
        if lost:
            raise LostWrites(lost)
        waiting = {shard: first for shard, first in left.items() if open_ranges(ranges, first)}


def open_ranges(ranges: Sequence[Range], first: Offsets) -> list[int]:
    """Those of the ranges in which something is left from these offsets on."""
    return [number for number, each in enumerate(ranges) if first[number] < each.end]


def _standing(
    phase: str,
    ranges: Sequence[Range],
    first: Offsets,
    stands: Sequence[int],
    lost: dict[int, int],
) -> Offsets:
    """Where a shard goes on that stands there in its open ranges; notes what it has lost."""
    on = list(first)
    for number, at in zip(open_ranges(ranges, first), stands, strict=True):
        if at == UNKNOWN:
            raise emptied(ranges[number].watermark(phase))
        if at < first[number]:
            lost[number] = min(at, lost.get(number, at))
        on[number] = min(max(at, on[number]), ranges[number].end)
    return tuple(on)
