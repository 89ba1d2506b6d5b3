"""A small shop with a running worker and page, for tests that look at it from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgpack

from streamer.embedded import free_port
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from streamer.window import open_window
from tests.support.logs import write
from tests.support.processes import handled, own_group, running, until

START = 1_700_000_000.0
MUGS = ["mug/red", "mug-3%25", "绿色的杯子"]
SCARVES = [f"scarf-{number}" for number in range(4)]
ITEMS = MUGS + SCARVES
BOARD_SIZE = 5


@dataclass(frozen=True)
class Shop:
    """Settings and folder of the group; where its worker and page tell their status."""

    settings: Settings
    folder: Path
    worker_port: int
    worker_pid: int

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.settings.web_port}"


def listing(item_id: str, **changes: object) -> tuple[bytes, bytes]:
    kind = "Kitchen" if item_id in MUGS else "Clothing"
    fields = {"item_id": item_id, "time": START, "title": f"Title of {item_id}", "price": 9.5}
    return item_id.encode(), msgpack.packb({**fields, "category": [kind, "Gifts"], **changes})


def purchase(item_id: str, number: int = 0) -> tuple[bytes, bytes]:
    event = {
        "item_id": item_id,
        "type": "purchase",
        "time": START + 60.0 + number,
        "user_id": f"user-{number}",
        "quantity": 2.0,
        "value": 19.0,
        "channel": "web",
    }
    return item_id.encode(), msgpack.packb(event)


@contextmanager
def open_shop(broker_address: str, redis_url: str, folder: Path) -> Iterator[Shop]:
    """Every item is listed; the n-th has n purchases."""
    settings = own_group(
        broker_address, redis_url, web_port=free_port(), board_size=BOARD_SIZE, user_key="secret"
    )
    with running(settings, folder, "worker", "web") as (worker, _):
        asyncio.run(_stock(settings))
        yield Shop(settings, folder, worker.port, worker.child.pid)


async def _stock(settings: Settings) -> None:
    bought = [purchase(item_id, n) for place, item_id in enumerate(ITEMS) for n in range(place)]
    await write(settings, NEW_ITEMS.name, [listing(item_id) for item_id in ITEMS])
    async with open_window(settings) as window:
        await handled(window, len(ITEMS))
        await write(settings, USER_BEHAVIOUR.name, bought)
        await handled(window, len(ITEMS) + len(bought))

        async def decided() -> bool:
            all_boards = [await window.board(name) for name in ("all", "Kitchen", "Clothing")]
            return all(board and len(board.lines) >= len(MUGS) for board in all_boards)

        await until(decided, "boards decided")
