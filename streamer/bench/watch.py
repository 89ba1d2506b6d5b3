"""How a contestant's rate is taken: from outside, by the end offsets of the topic it writes.

Time counts from the first output that is seen to the last one, so starting up and joining the group
do not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.errors import StreamerError

POLL_SECONDS = 0.05
STILL_SECONDS = 3.0
"""A contestant that has written nothing for this long is done."""
START_SECONDS = 60.0

Done = Callable[[], Awaitable[int]]
"""How many events a contestant is done with."""


class Watch:
    """Watches a topic that a contestant writes."""

    def __init__(self, broker: str, topic: str, partitions: int) -> None:
        self._broker = broker
        self._places = [TopicPartition(topic, partition) for partition in range(partitions)]

    async def __aenter__(self) -> Watch:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._broker)
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def written(self) -> int:
        """Records in the topic; on the embedded broker without those of the last batch."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._places)
        return sum(ends.values())

    async def rate(self, done: Done, wanted: int, limit_seconds: float, after: int = 0) -> float:
        """Events a second, until all that are ``wanted`` are done or the time is over; counted
        from when more than ``after`` are done.

        Raises StreamerError if nothing is ever written, or all of it before one could look.
        """
        first = await self._first_output()
        while after and await done() <= after:
            await asyncio.sleep(POLL_SECONDS)
            if time.perf_counter() - first > limit_seconds:
                raise StreamerError(f"{after} events were not done in {limit_seconds:.0f} s")
        first = time.perf_counter() if after else first
        done_at_first = await done()
        latest, written, done_at_latest = first, await self.written(), done_at_first
        while (now := time.perf_counter()) - first < limit_seconds:
            if (seen := await self.written()) != written:
                latest, written, done_at_latest = now, seen, await done()
            elif done_at_latest >= wanted or now - latest > STILL_SECONDS:
                break
            await asyncio.sleep(POLL_SECONDS)
        if done_at_latest <= done_at_first:
            raise StreamerError("everything was written at once: it takes more events to measure")
        return (done_at_latest - done_at_first) / (latest - first)

    async def _first_output(self) -> float:
        deadline = time.perf_counter() + START_SECONDS
        while not await self.written():
            if time.perf_counter() > deadline:
                raise StreamerError(f"nothing was written within {START_SECONDS:.0f} s")
            await asyncio.sleep(POLL_SECONDS)
        return time.perf_counter()
