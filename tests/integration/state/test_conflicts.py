"""Two workers that change the same items at the same time: nothing is lost, nothing twice."""

from __future__ import annotations

import asyncio
import random

from streamer.events import Behaviour
from streamer.settings import Settings
from streamer.state.connection import connected
from tests.integration.state.test_exactly_once import assert_state
from tests.support import reference
from tests.support.histories import START, Worker, begin, fresh_store

WORKERS, BATCHES, EVENTS = 4, 25, 12


def acts(rng: random.Random) -> list[Behaviour]:
    return [
        Behaviour(
            item_id=f"item-{rng.randrange(6)}",
            type=rng.choice(["view", "cart", "purchase"]),
            time=START + rng.randrange(10**6),
            user_id=f"user-{rng.randrange(9)}",
            channel=rng.choice(["web", "app"]),
            value=1.5,
        )
        for _ in range(EVENTS)
    ]


def test_workers_that_write_the_same_items_at_once_lose_and_double_nothing(redis_url: str) -> None:
    rng = random.Random(3)
    logs = [[acts(rng) for _ in range(BATCHES)] for _ in range(WORKERS)]

    async def work() -> None:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client, shards=2)
            await begin(store, {("log", p): BATCHES * EVENTS for p in range(WORKERS)})

            async def feed(partition: int) -> None:
                worker = Worker(store)
                for number, events in enumerate(logs[partition]):
                    await worker.behaviour("log", partition, number * EVENTS, events)

            await asyncio.gather(*map(feed, range(WORKERS)))
            everything = [event for log in logs for events in log for event in events]
            await assert_state(store, reference.shop([], everything))

    asyncio.run(work())
