"""How much of the catalogue an encoder has read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from streamer.state.known import Known
from streamer.state.store import Store

BATCH_ITEMS = 200


@dataclass(slots=True)
class Coverage:
    """Of ``described`` items, those whose description some encoder has read, ``read`` by this one."""

    described: int = 0
    read: int = 0

    @property
    def share(self) -> float:
        """1 where there is nothing to read."""
        return self.read / self.described if self.described else 1.0

    def add(self, known: Known, fingerprint: str) -> bool:
        """Counts an item; True where its description is still to be read."""
        if known.content is None:
            return False
        read = fingerprint in known.content.vectors
        self.described += 1
        self.read += read
        return not read


async def coverage(store: Store, fingerprint: str) -> Coverage:
    """Walks all items. Raises redis errors."""
    found = Coverage()
    for shard in range(store.keys.shards):
        async for batch in walk(store, shard):
            for known in batch.values():
                found.add(known, fingerprint)
    return found


async def walk(store: Store, shard: int) -> AsyncIterator[dict[str, Known]]:
    """What is known of a shard's items, by id, in batches."""
    after = ""
    while ids := await store.known_ids(shard, after, BATCH_ITEMS):
        entries = zip(ids, await store.read_items(ids), strict=True)
        yield {item_id: entry.known for item_id, entry in entries if entry}
        after = ids[-1]
