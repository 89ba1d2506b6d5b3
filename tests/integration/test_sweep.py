"""The sweep forgets what has come to its end, and nothing that has changed since it was looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from streamer.assess import Assessor
from streamer.clock import StreamClock
from streamer.events import Behaviour, Encoding, NewItem
from streamer.filing import Filer
from streamer.judge import Judge, Judged
from streamer.registry import active
from streamer.settings import Settings
from streamer.state.birth import ENCODED
from streamer.state.boards import Boards
from streamer.state.connection import connected
from streamer.state.layout import DAY
from streamer.state.reading import read_items
from streamer.state.store import Store
from streamer.state.table import ItemTable
from streamer.sweep import Sweep
from tests.support.histories import START, Worker, begin, fresh_store

MODEL_STORE = Path(__file__).parents[2] / "model_store"
LATER = START + 200 * DAY
ID = "item"
Meanwhile = Callable[[Worker], Awaitable[Any]]


class Telling:
    """Outputs: what is told of items; ``meanwhile`` happens once, as the first is told to be gone."""

    def __init__(self, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        self.told: list[str] = []
        self._meanwhile: Callable[[], Awaitable[Any]] | None = meanwhile

    async def scores(self, judged: Judged) -> None:
        self.told += [f"{item_id} scored" for item_id in judged.items.ids]

    async def forgotten(self, ids: Sequence[str]) -> None:
        self.told += [f"{item_id} gone" for item_id in ids]
        if self._meanwhile:
            happens, self._meanwhile = self._meanwhile, None
            await happens()


class NoFiler:
    def add(self, judged: Judged, *, everything: bool) -> None: ...

    async def flush(self) -> None: ...


async def swept(store: Store, meanwhile: Meanwhile) -> list[str]:
    """What readers are told while an item is swept that something happens to meanwhile."""
    clock = StreamClock(monotonic=lambda: 0.0)
    clock.advance(LATER)
    outputs = Telling(lambda: meanwhile(Worker(store)))
    sweep = Sweep(
        Assessor(store, Judge(active(MODEL_STORE)), clock, 2**20),
        cast(Any, outputs),
        cast(Filer, NoFiler()),
        Boards(store.client, store.keys),
        Settings(),
    )
    await sweep.once(range(store.keys.shards), lambda done: None)
    return outputs.told


def run(redis_url: str, meanwhile: Meanwhile) -> tuple[list[str], list[str]]:
    """What readers are told, and the items that are left, of one that was viewed long ago."""

    async def scenario() -> tuple[list[str], list[str]]:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            await begin(store, {("shop", 0): 10, ("items", 0): 10})
            await begin(store, {("encodings", 0): 10}, ENCODED)
            viewed = Behaviour(item_id=ID, type="view", time=START)
            await Worker(store).behaviour("shop", 0, 0, [viewed])
            told = await swept(store, meanwhile)
            left = await read_items(store, [ID], ItemTable(2**20))
            return told, left.ids

    return asyncio.run(scenario())


async def nothing(worker: Worker) -> None: ...


def test_what_nothing_has_happened_to_for_long_is_gone(redis_url: str) -> None:
    assert run(redis_url, nothing) == ([f"{ID} scored", f"{ID} gone"], [])


@pytest.mark.parametrize(
    ("time", "launch_time"), [(LATER, None), (START, LATER)], ids=["time", "launch"]
)
def test_an_item_that_comes_up_as_it_is_about_to_go_is_kept(
    redis_url: str, time: float, launch_time: float | None
) -> None:
    upsert = NewItem(item_id=ID, time=time, title="Oat milk", launch_time=launch_time)
    told, left = run(redis_url, lambda worker: worker.catalogue("items", 0, 0, [upsert]))
    assert told == [f"{ID} scored", f"{ID} gone", f"{ID} scored"], "readers have it again"
    assert left == [ID]


def test_what_changes_and_is_at_its_end_all_the_same_goes_by_a_look_of_its_own(
    redis_url: str,
) -> None:
    encoding = Encoding(
        item_id=ID, kind="description", text_id="t", fingerprint="f", vector=b"\0\0", time=START
    )
    told, left = run(redis_url, lambda worker: worker.encodings("encodings", 0, 0, [encoding]))
    assert told == [f"{ID} scored", f"{ID} gone"] * 2
    assert left == []
