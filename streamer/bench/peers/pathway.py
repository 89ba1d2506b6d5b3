"""Pathway as near to the job as it comes: a stateful reducer an item, in memory, one process.

It tells a score an item and micro-batch, with a retraction of the one before. On its standard output
it says how many events it is done with. Events are not validated. Needs nothing of ours, but
pathway and msgpack.

usage: PYTHON pathway.py BROKER INPUT OUTPUT
"""

from __future__ import annotations

import math
import struct
import sys
from pathlib import Path
from typing import Any

# This file is named like what it imports.
sys.path[:] = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]

import msgpack  # noqa: E402
import pathway as pw  # noqa: E402

HALF_LIVES_SECONDS = (3600.0, 28800.0, 230400.0, 1843200.0)
COMMIT_MS = 100
BACKLOG_EVENTS = 20_000
"""Its manual's advice for a backlog; without it all that waits is one micro-batch."""
PACKED = struct.Struct("<13d")
NEW = PACKED.pack(*[0.0] * 13)


@pw.reducers.stateful_many  # type: ignore[untyped-decorator]
def sums_of(state: bytes | None, rows: list[tuple[list[bytes], int]]) -> bytes:
    """Twelve decayed sums and the last event's time, after a micro-batch of an item's events."""
    *sums, last = PACKED.unpack(state or NEW)
    events = [msgpack.unpackb(row[0]) for row, count in rows for _ in range(count)]
    for event in sorted(events, key=lambda event: event["time"]):
        age, bought = max(0.0, event["time"] - last), event["type"] == "purchase"
        added = (1.0, float(bought), (event.get("value") or 0.0) if bought else 0.0)
        for scale, seconds in enumerate(HALF_LIVES_SECONDS):
            decay = math.exp(-age / seconds)
            for signal, amount in enumerate(added):
                place = 3 * scale + signal
                sums[place] = sums[place] * decay + amount
        last = max(last, event["time"])
    return PACKED.pack(*sums, last)


@pw.udf(deterministic=True)  # type: ignore[untyped-decorator]
def score(item_id: bytes, state: bytes) -> bytes:
    logit = min(0.01 * sum(PACKED.unpack(state)[:12]), 700.0)
    message = {"item_id": item_id.decode(), "probability": 1 / (1 + math.exp(-logit))}
    return bytes(msgpack.packb(message))


def tell(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
    if is_addition:
        print(row["events"], flush=True)


def main(broker: str, source: str, target: str) -> None:
    kafka = {
        "bootstrap.servers": broker,
        "group.id": f"peer-{target}",
        "auto.offset.reset": "earliest",
    }
    events = pw.io.kafka.read(
        kafka,
        topic=source,
        format="raw",
        autocommit_duration_ms=COMMIT_MS,
        max_backlog_size=BACKLOG_EVENTS,
    )
    items = events.groupby(pw.this.key).reduce(pw.this.key, state=sums_of(pw.this.data))
    scores = items.select(pw.this.key, message=score(pw.this.key, pw.this.state))
    pw.io.kafka.write(scores, kafka, target, format="raw", key=scores.key, value=scores.message)
    pw.io.subscribe(events.reduce(events=pw.reducers.count()), on_change=tell)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main(*sys.argv[1:])
