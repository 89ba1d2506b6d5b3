"""A chunk is applied in two phases, each exactly once on every shard.

First the items: what happened is added to their records, and the answer says for certain what is
known of each. Then the kin: with that answer, and nothing else, it is decided which events count
for which relatives. The answer to an event's first phase can't change later in a way that matters
(``behaviour._direct_from``), so a crash between the phases, a second worker or a replay decide alike.
Each phase has watermarks of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from streamer import failpoint
from streamer.errors import StoreEmpty
from streamer.state.store import ShardCall, ShardReply, Store


class LostWrites(Exception):
    """Redis is behind the log: the chunk's partition must be read again from ``watermark``."""

    def __init__(self, watermark: int) -> None:
        super().__init__(watermark)
        self.watermark = watermark


def emptied(watermark: str) -> StoreEmpty:
    """What to raise when a shard does not know a log that it knew."""
    return StoreEmpty(
        f"Redis has no watermark {watermark} any more: it was emptied under a running group; "
        "start again with --rebuild or --from-now"
    )


async def run_phase(
    store: Store, start: int, call_for: Callable[[int, int], ShardCall]
) -> list[ShardReply]:
    """Brings every shard to the end of a chunk that starts at ``start``.

    ``call_for(shard, first)`` makes the call that applies the chunk's part from offset ``first``
    on. Returns a reply for each shard. Raises LostWrites, StoreEmpty.
    """
    waiting = dict.fromkeys(range(store.keys.shards), start)
    done: dict[int, ShardReply] = {}
    lost: list[int] = []
    while waiting:
        calls = [call_for(shard, first) for shard, first in waiting.items()]
        failpoint.passing("aggregated")
        waiting = {}
        for call, reply in zip(calls, await store.apply(calls), strict=True):
            if reply.status == "inside":
                waiting[call.shard] = reply.watermark
            elif reply.status == "gap":
                lost.append(reply.watermark)
            elif reply.status == "unborn":
                raise emptied(call.watermark)
            else:
                done[call.shard] = reply
    if lost:
        raise LostWrites(min(lost))
    return [done[shard] for shard in range(store.keys.shards)]
