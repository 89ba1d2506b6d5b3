"""How many events the state has counted, exactly, by log: every shard counts its own."""

from __future__ import annotations

from collections import Counter

from streamer.state.store import Store


async def tally(store: Store) -> dict[str, Counter[str]]:
    """By log (topic id): how many records were `applied`, `duplicate` and `dead`.

    Together they are all records that were handled, each once, whatever crashed meanwhile.
    """
    counted: dict[str, Counter[str]] = {}
    pipeline = store.client.pipeline(transaction=False)
    for log in store.keys.logs:
        pipeline.hgetall(log)
    for fields in await pipeline.execute():
        for name, value in fields.items():
            outcome, _, rest = name.decode().partition(":")
            phase, _, place = rest.partition(":")
            if outcome in {"applied", "duplicate", "dead"} and phase == "i":
                counted.setdefault(place.rpartition(":")[0], Counter())[outcome] += int(value)
    return counted
