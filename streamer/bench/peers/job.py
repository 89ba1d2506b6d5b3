"""The job as the peers do it: twelve decayed sums an item, a logistic score, a message an event.

It is the Kafka Streams peer's job, state packed into one value of Redis an item; there is no
protection against counting an event twice. Of an event its types are checked, as it is read, and
nothing else: a worker of ours also checks what is in it, and looks for duplicates.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from streamer.events import Behaviour

HALF_LIVES_SECONDS = (3600.0, 28800.0, 230400.0, 1843200.0)
_SUMS = 3 * len(HALF_LIVES_SECONDS)
_PACKED = struct.Struct(f"<{_SUMS + 1}d")
_NEW = _PACKED.pack(*([0.0] * (_SUMS + 1)))

decode = msgspec.msgpack.Decoder(Behaviour).decode
_encode = msgspec.msgpack.Encoder().encode


def applied(state: bytes | None, event: Behaviour) -> bytes:
    """The item's state after the event: events, purchases and value, at four time scales."""
    *sums, last = _PACKED.unpack(state or _NEW)
    age, added = max(0.0, event.time - last), _added(event)
    for scale, seconds in enumerate(HALF_LIVES_SECONDS):
        decay = math.exp(-age / seconds)
        for signal, amount in enumerate(added):
            place = 3 * scale + signal
            sums[place] = sums[place] * decay + amount
    return _PACKED.pack(*sums, max(last, event.time))


def _added(event: Behaviour) -> tuple[float, float, float]:
    bought = event.type == "purchase"
    return 1.0, float(bought), (event.value or 0.0) if bought else 0.0


def score(item_id: str, state: bytes) -> bytes:
    """The message that tells the item's score."""
    return message(item_id, sum(_PACKED.unpack(state)[:_SUMS]))


def message(item_id: str, total: float) -> bytes:
    """What tells the score of an item whose sums come to ``total``."""
    logit = min(0.01 * total, 700.0)
    return _encode({"item_id": item_id, "probability": 1 / (1 + math.exp(-logit))})


async def one(redis: Any, event: Behaviour) -> bytes:
    """Applies one event as plain counters of its item, in one MULTI; scores what they come to."""
    key = f"item:{event.item_id}"
    async with redis.pipeline(transaction=True) as pipeline:
        for name, amount in zip(("events", "purchases", "value"), _added(event), strict=True):
            pipeline.hincrbyfloat(key, name, amount)
        return message(event.item_id, sum(await pipeline.execute()))


async def many(redis: Any, events: Sequence[Behaviour]) -> list[bytes]:
    """Applies events in order: all items read at once, then written at once."""
    keys = list(dict.fromkeys(f"item:{event.item_id}" for event in events))
    states = dict(zip(keys, await redis.mget(keys), strict=True))
    messages = []
    for event in events:
        key = f"item:{event.item_id}"
        states[key] = applied(states[key], event)
        messages.append(score(event.item_id, states[key]))
    await redis.mset(states)
    return messages
