"""What an item costs Redis: all memory in use but for what is known not to be an item's.

That is its record, facts and early behaviour, its place among the known items and on its boards,
and the server's own entries and tables for these keys. Not in it are users' recent items,
relatives and watermarks, which are no item's, and vectors, which only an encoder makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from streamer.launch.boards import boards_of
from streamer.state.boards import Boards, Filing
from streamer.state.connection import Client
from streamer.state.store import Store

AT_ONCE = 1000
MOST_LOOKS, LOOK_SECONDS = 20, 1.1
ALIKE_BYTES = 4096
NOT_AN_ITEMS = ("*:u:*", "*:k:*", "*:log")
"""Keys of users, of relatives and of the shards themselves."""


async def file_all(store: Store) -> None:
    """Puts every item on its boards, as if all of them were listed."""
    boards = Boards(store.client, store.keys)
    async for ids in _known(store):
        by_board: dict[str, list[Filing]] = {}
        for item_id, entry in zip(ids, await store.read_items(ids), strict=True):
            if entry and entry.known.facts:
                for board in boards_of(entry.known.facts):
                    by_board.setdefault(board, []).append(Filing(item_id, 1.0, 1.0, 0.5))
        await boards.file(by_board)


async def bytes_per_item(store: Store) -> float:
    """The mean over all items of a server that holds nothing but this store, from which it removes
    what is not an item's."""
    for pattern in NOT_AN_ITEMS:
        async for key in store.client.scan_iter(match=pattern, count=AT_ONCE):
            await store.client.delete(key)
    used = await _settled(store.client)
    return float(used / sum([await store.known_count(n) for n in range(store.keys.shards)]))


async def _settled(client: Client) -> int:
    """The bytes that keys take, once two looks in a row agree: a server tells what clients' buffers
    take as it last counted them, some tenths of a second ago."""
    before = -1
    for _ in range(MOST_LOOKS):
        memory = await client.info("memory")
        used: int = memory["used_memory"] - memory["used_memory_startup"]
        used -= memory["mem_clients_normal"] + memory["mem_aof_buffer"]
        if abs(used - before) < ALIKE_BYTES:
            return used
        before = used
        await asyncio.sleep(LOOK_SECONDS)
    return before


async def _known(store: Store) -> AsyncIterator[list[str]]:
    """The ids of all items, so many at once."""
    for shard in range(store.keys.shards):
        ids = await store.known_ids(shard, "", AT_ONCE)
        while ids:
            yield ids
            ids = await store.known_ids(shard, ids[-1], AT_ONCE)
