"""What an item costs in Redis is counted whole, without what is not an item's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamer.bench.item_memory import bytes_per_item, file_all
from streamer.embedded import valkey
from streamer.events import Behaviour, NewItem
from streamer.settings import Settings
from streamer.state.boards import Boards
from streamer.state.connection import connected
from tests.support.histories import START, Worker, begin, fresh_store

ITEMS, SALES = 3000, 1000


def test_an_item_costs_its_places_on_boards_too_and_not_who_bought_it(tmp_path: Path) -> None:
    async def cost(sales: int, *, filed: bool) -> float:
        server, url = valkey(tmp_path)
        with server:
            async with connected(Settings(redis=url)) as client:
                worker = Worker(fresh_store(client))
                await begin(worker.store, {("items", 0): ITEMS, ("sales", 0): SALES})
                await worker.catalogue("items", 0, 0, [_item(n) for n in range(ITEMS)])
                await worker.behaviour("sales", 0, 0, [_sale(n) for n in range(sales)])
                if filed:
                    await file_all(worker.store)
                    assert await Boards(client, worker.store.keys).size("all") == ITEMS
                return await bytes_per_item(worker.store)

    async def scenario() -> None:
        alone = await cost(1, filed=False)
        assert await cost(SALES, filed=False) == pytest.approx(alone, rel=0.05)
        assert await cost(1, filed=True) > alone + 2 * 2 * len("item-1000")

    asyncio.run(scenario())


def _item(number: int) -> NewItem:
    return NewItem(item_id=f"item-{number}", time=START, title="Oat milk", category=["food"])


def _sale(number: int) -> Behaviour:
    return Behaviour(item_id="item-0", type="purchase", time=START, user_id=f"user-{number}")
