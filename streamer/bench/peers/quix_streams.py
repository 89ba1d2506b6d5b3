"""quix-streams, at least once, with RocksDB state and a changelog as it comes, or with the same state
in Redis. Events are not validated. Needs nothing of ours.

usage: PYTHON quix_streams.py BROKER INPUT OUTPUT STATE_DIR [REDIS]
"""

from __future__ import annotations

import math
import struct
import sys
from typing import Any

import msgpack
from quixstreams import Application
from quixstreams.state import State

HALF_LIVES_SECONDS = (3600.0, 28800.0, 230400.0, 1843200.0)
PACKED = struct.Struct("<13d")


def add(sums: list[float], last: float, event: dict[str, Any]) -> float:
    """Applies an event to the sums; the time of the last event after it."""
    age, bought = max(0.0, event["time"] - last), event["type"] == "purchase"
    added = (1.0, float(bought), (event.get("value") or 0.0) if bought else 0.0)
    for scale, seconds in enumerate(HALF_LIVES_SECONDS):
        decay = math.exp(-age / seconds)
        for signal, amount in enumerate(added):
            place = 3 * scale + signal
            sums[place] = sums[place] * decay + amount
    return max(last, float(event["time"]))


def message(event: dict[str, Any], sums: list[float]) -> dict[str, Any]:
    logit = min(0.01 * sum(sums), 700.0)
    return {"item_id": event["item_id"], "probability": 1 / (1 + math.exp(-logit))}


def apply(event: dict[str, Any], state: State) -> dict[str, Any]:
    sums, last = state.get("sums", default=[0.0] * 12), state.get("last", default=0.0)
    last = add(sums, last, event)
    state.set("sums", sums)
    state.set("last", last)
    return message(event, sums)


class InRedis:
    """One round trip an event: its item is read in the pipeline that writes the one before."""

    def __init__(self, url: str) -> None:
        from redis import Redis

        self._redis = Redis.from_url(url)
        self._unwritten: tuple[str, bytes] | None = None

    def apply(self, event: dict[str, Any]) -> dict[str, Any]:
        key = f"item:{event['item_id']}"
        pipe = self._redis.pipeline(transaction=False)
        if self._unwritten:
            pipe.set(*self._unwritten)
        pipe.get(key)
        stored = pipe.execute()[-1]
        *sums, last = PACKED.unpack(stored) if stored else [0.0] * 13
        last = add(sums, last, event)
        self._unwritten = key, PACKED.pack(*sums, last)
        return message(event, sums)

    def flush(self) -> None:
        if self._unwritten:
            self._redis.set(*self._unwritten)


def main(broker: str, source: str, target: str, folder: str, redis: str = "") -> None:
    app = Application(
        broker_address=broker,
        consumer_group=f"peer-{target}",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="ERROR",
    )
    events = app.topic(source, value_deserializer="bytes", key_deserializer="bytes")
    scores = app.topic(target, value_serializer="bytes", key_serializer="bytes")
    frame = app.dataframe(events).apply(msgpack.unpackb)
    stored = InRedis(redis) if redis else None
    frame = frame.apply(stored.apply) if stored else frame.apply(apply, stateful=True)
    frame.apply(msgpack.packb).to_topic(scores)
    app.run()
    if stored:
        stored.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
