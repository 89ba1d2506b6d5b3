"""Lists that a running shop draws, shows and logs, and what `offpolicy` then reads from its topics.

The policy that is evaluated is the one that drew. So what it would have shown over what was logged
is 1 but for chance, and what it is said to earn is what the log earned.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgpack
import numpy as np
import pytest

from streamer.embedded import free_port
from streamer.learning.bundle_policy import STEP_SECONDS
from streamer.learning.offpolicy import ESTIMATORS, OFF
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from streamer.window import open_window
from tests.support.logs import write
from tests.support.processes import call, handled, own_group, running, said, until

pytest.importorskip("obp")

START = 1_700_000_000.0 // STEP_SECONDS * STEP_SECONDS
KINDS = {
    "Kitchen": ("mug", "pan", "bowl", "kettle", "ladle", "plate"),
    "Garden": ("spade", "hose", "rake", "pot", "bench", "fork"),
}
NAMES = [(board, kind, of) for board in KINDS for kind in KINDS[board] for of in ("Red", "Blue")]
ITEMS = [f"item-{number}" for number in range(len(NAMES))]
BOARDS = (*KINDS, "all")
HOURS, REQUESTS, PLACES = 2, 30, 3
"""Hours in which lists are shown; requests for each board in each; places of a list."""

Events = list[dict[str, Any]]


def listings() -> Events:
    return [
        {
            "item_id": ITEMS[number],
            "time": START + number,
            "title": f"{colour} {kind}",
            "category": [board, kind],
            "price": 4.0 + number,
        }
        for number, (board, kind, colour) in enumerate(NAMES)
    ]


def sales() -> Events:
    """Before anything is shown some items sell better than others."""
    return [
        {
            "item_id": item_id,
            "type": "purchase",
            "time": START + 60.0 + one,
            "user_id": f"early-{number}-{one}",
            "value": 5.0,
        }
        for number, item_id in enumerate(ITEMS)
        for one in range(number % 5)
    ]


@dataclass
class Shop:
    """A shop that shows lists which its running group draws, and logs what it showed."""

    settings: Settings
    folder: Path
    rng: np.random.Generator
    events: int = 0
    shown: int = 0
    clicks: int = 0

    async def live(self) -> None:
        await self._publish(NEW_ITEMS.name, listings())
        await self._publish(USER_BEHAVIOUR.name, sales())
        async with open_window(self.settings) as window:

            async def complete() -> bool:
                if await window.incomplete(ITEMS):
                    return False
                _, listed = await window.competing("all", len(ITEMS))
                return len(listed) == len(ITEMS)

            await until(complete, "all items encoded and on their boards")
        for hour in range(1, HOURS + 1):
            await self._open(START + hour * STEP_SECONDS)

    async def _publish(self, topic: str, events: Events) -> None:
        """Returns when all of them are counted."""
        records = [(event["item_id"].encode(), msgpack.packb(event)) for event in events]
        await write(self.settings, topic, records)
        self.events += len(records)
        async with open_window(self.settings) as window:
            await handled(window, self.events)

    async def _open(self, time: float) -> None:
        """Shows lists in the hour that begins now, as the first view of it tells workers."""
        view = {"item_id": ITEMS[0], "type": "view", "time": time, "user_id": "first"}
        await self._publish(USER_BEHAVIOUR.name, [view])
        lists = [self._drawn(board) for board in BOARDS for _ in range(REQUESTS)]
        asked = ("draw", "all", "--places", str(PLACES), "--json")
        lists.append(said(self.settings, self.folder, *asked))
        acts: Events = []
        for number, found in enumerate(lists):
            assert time <= found["time"] < time + STEP_SECONDS
            acts += self._acts(found, f"{time}-{number}")
        await self._publish(USER_BEHAVIOUR.name, acts)

    def _drawn(self, board: str) -> Any:
        page = f"http://127.0.0.1:{self.settings.web_port}/api/board/draw"
        with urlopen(f"{page}?name={board}&places={PLACES}", timeout=30.0) as answer:
            return json.loads(answer.read())

    def _acts(self, found: Any, session: str) -> Iterator[dict[str, Any]]:
        """The impressions of a list, and clicks: more on what is red and stands first."""
        for line in found["lines"]:
            about = {"item_id": line["item_id"], "time": found["time"], "session": session}
            logged = {name: line[name] for name in ("position", "propensity")}
            yield {**about, "type": "impression", "board": found["board"], **logged}
            self.shown += 1
            red = line["title"].startswith("Red")
            if self.rng.random() < (0.6 if red else 0.3) / line["position"]:
                yield {**about, "type": "click"}
                self.clicks += 1


@pytest.fixture(scope="module")
def shop(broker_address: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    settings = own_group(broker_address, redis_url, web_port=free_port())
    shop = Shop(settings, tmp_path_factory.mktemp("drawn"), np.random.default_rng(3))
    with running(settings, shop.folder, "worker", "encoder", "web"):
        asyncio.run(shop.live())
    return shop


def test_the_policy_that_drew_is_said_to_earn_what_was_earned(shop: Shop) -> None:
    report = shop.folder / "offpolicy.json"
    done = call(shop.settings, shop.folder, "offpolicy", "--topics", "--report", str(report))
    assert done.returncode == 0, done.stderr
    assert "average" not in done.stderr
    assert "left out" not in done.stderr
    told = json.loads(report.read_text())["results"]
    rows = {row["name"].removeprefix("offpolicy.own."): row for row in told}
    assert shop.shown == HOURS * PLACES * (len(BOARDS) * REQUESTS + 1)
    assert rows["mean_weight"]["value"] == pytest.approx(1.0, abs=OFF)
    assert rows["effective_rounds"]["value"] > 0.9 * shop.shown
    earned = shop.clicks / shop.shown
    for name in ESTIMATORS:
        assert rows[name]["peer_value"] == pytest.approx(earned)
        assert rows[name]["value"] == pytest.approx(earned, rel=0.1), name
        assert rows[f"{name}.low"]["value"] < earned < rows[f"{name}.high"]["value"], name
