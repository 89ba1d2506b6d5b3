"""quix-streams as it comes: RocksDB state with a changelog, at least once. Needs nothing of ours.

usage: PYTHON quix_streams.py BROKER INPUT OUTPUT STATE_DIR
"""

from __future__ import annotations

import math
import sys
from typing import Any

import msgpack
from quixstreams import Application
from quixstreams.state import State

HALF_LIVES_SECONDS = (3600.0, 28800.0, 230400.0, 1843200.0)


def apply(event: dict[str, Any], state: State) -> dict[str, Any]:
    sums, last = state.get("sums", default=[0.0] * 12), state.get("last", default=0.0)
    age, bought = max(0.0, event["time"] - last), event["type"] == "purchase"
    added = (1.0, float(bought), (event.get("value") or 0.0) if bought else 0.0)
    for scale, seconds in enumerate(HALF_LIVES_SECONDS):
        decay = math.exp(-age / seconds)
        for signal, amount in enumerate(added):
            place = 3 * scale + signal
            sums[place] = sums[place] * decay + amount
    state.set("sums", sums)
    state.set("last", max(last, event["time"]))
    logit = min(0.01 * sum(sums), 700.0)
    return {"item_id": event["item_id"], "probability": 1 / (1 + math.exp(-logit))}


def main(broker: str, source: str, target: str, folder: str) -> None:
    app = Application(
        broker_address=broker,
        consumer_group=f"peer-{target}",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="ERROR",
    )
    events = app.topic(source, value_deserializer="bytes", key_deserializer="bytes")
    scores = app.topic(target, value_serializer="bytes", key_serializer="bytes")
    frame = app.dataframe(events)
    frame = frame.apply(msgpack.unpackb).apply(apply, stateful=True).apply(msgpack.packb)
    frame.to_topic(scores)
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
