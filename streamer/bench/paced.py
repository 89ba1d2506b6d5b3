"""How long an event takes from the broker to its score, at a steady rate."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from streamer.bench.workplace import WORKER, Workplace
from streamer.embedded import free_port
from streamer.publish import Publisher
from streamer.replay.producing import producing
from streamer.scrape import Scraped, scrape
from streamer.settings import Settings
from streamer.topology import USER_BEHAVIOUR

TICK_SECONDS = 0.01
WARM_SECONDS = 3.0
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}


async def latencies(place: Workplace, rate: float, seconds: float) -> dict[str, float]:
    """Quantiles in ms, to within a bucket of a quarter, of what was sent after a warm start."""
    topic = f"bench-paced-{rate:.0f}"
    settings = await place.fresh(topic)
    settings = settings.model_copy(update={"metrics_port": free_port()})
    await place.learn_catalogue(settings)
    async with place.running(WORKER, settings):
        await _play(place, settings, rate, WARM_SECONDS)
        before = await _scraped(settings)
        await _play(place, settings, rate, seconds)
        after = await _scraped(settings)
    between = Counter({b: after.latency[b] - before.latency[b] for b in after.latency})
    found = Scraped(latency=between)
    return {name: round(1000 * found.latency_seconds(q), 2) for name, q in QUANTILES.items()}


async def _scraped(settings: Settings) -> Scraped:
    return await asyncio.to_thread(scrape, [settings.metrics_port])


async def _play(place: Workplace, settings: Settings, rate: float, seconds: float) -> None:
    """Sends the events at this rate, over again from the first where there are too few, and waits
    until they are done."""
    topic = settings.topic(USER_BEHAVIOUR.name)
    records, sent = place.data.records, 0
    async with place.counting(settings, topic) as done:
        before = await done()
    async with producing(settings) as producer:
        publisher = Publisher(producer)
        started = time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            due = int(elapsed * rate)
            some = [records[i % len(records)] for i in range(sent, due)]
            if some:
                await publisher.publish(topic, some)
            sent = due
            await asyncio.sleep(TICK_SECONDS)
    await place.wait_for(settings, topic, before + sent)
