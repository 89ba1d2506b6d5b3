"""Faust as it is ordinarily written: an agent that is given events, or up to 500 with `take`.

An event by itself is counted in one MULTI, three counters that do not decay: decayed sums would
have to be read first. With `take` they are read and written together.

usage: python -m streamer.bench.peers.faust_agent BROKER REDIS INPUT OUTPUT per_event|take
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import faust
from redis.asyncio import Redis

from streamer.bench.peers import job

TAKE_EVENTS, TAKE_SECONDS = 500, 0.05


def main(broker: str, redis_url: str, source: str, target: str, mode: str) -> None:
    app = faust.App(
        f"peer-{target}",
        broker=f"kafka://{broker}",
        autodiscover=False,
        consumer_auto_offset_reset="earliest",
        datadir=tempfile.mkdtemp(),
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    redis = Redis.from_url(redis_url)
    events = app.topic(source, value_serializer="raw")
    scores = app.topic(target, value_serializer="raw")

    async def per_event(stream: Any) -> None:
        async for value in stream:
            event = job.decode(value)
            await scores.send(key=event.item_id.encode(), value=await job.one(redis, event))

    async def take(stream: Any) -> None:
        async for values in stream.take(TAKE_EVENTS, within=TAKE_SECONDS):
            some = [job.decode(value) for value in values]
            for event, message in zip(some, await job.many(redis, some), strict=True):
                await scores.send(key=event.item_id.encode(), value=message)

    app.agent(events)({"per_event": per_event, "take": take}[mode])
    faust.Worker(app, loglevel="error").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
