"""The table of items at hand is bounded, and reads what it lacks or doubts, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import NewItem
from streamer.state.known import NOTHING, Entry, Known, beside
from streamer.state.layout import ITEM
from streamer.state.records import Records
from streamer.state.store import Store
from streamer.state.table import ITEM_BYTES, MAX_BESIDE_BYTES, ItemTable
from tests.support.records import list_of, stored
from tests.support.touching import known_of

VIEW = ITEM.index["view"]
RECORD = stored()


async def _answer(entries: list[Entry | None]) -> list[Entry | None]:
    return entries


@dataclass
class Shelf:
    """A store that holds views by item; items without any have no record."""

    views: dict[str, int] = field(default_factory=dict)
    beside_bytes: int = 0
    reads: list[str] = field(default_factory=list)

    async def read_items(self, ids: Sequence[str]) -> list[Entry | None]:
        self.reads += ids
        return [self._entry(item_id) if item_id in self.views else None for item_id in ids]

    def _entry(self, item_id: str) -> Entry:
        views = self.views[item_id]
        return Entry(7, stored([views], view=views), Known(aux=views), self.beside_bytes)

    def fill(self, table: ItemTable, ids: Sequence[str]) -> np.ndarray:
        rows = table.rows(ids)
        asyncio.run(table.read(cast(Store, self), rows))
        return rows


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True), max_size=10),
    st.integers(1, 20),
)
def test_whatever_is_asked_for_is_at_hand_and_what_was_touched_last_stays(
    batches: list[list[int]], most: int
) -> None:
    table, shelf = ItemTable(most * ITEM_BYTES), Shelf({f"i{n}": n + 1 for n in range(31)})
    for batch in batches:
        ids = [f"i{n}" for n in batch]
        rows = shelf.fill(table, ids)
        found = table.touched(ids, rows)
        assert found.ids == ids
        assert found.x[:, VIEW].tolist() == [n + 1 for n in batch]
        assert [list_of(found.records, p, "buyers") for p in range(len(ids))] == [
            [n + 1] for n in batch
        ]
        assert [known.aux for known in found.known] == [n + 1 for n in batch]
        assert len(table) <= max(most, *map(len, batches))
        shelf.reads.clear()
        shelf.fill(table, ids)
        assert shelf.reads == []


def test_only_what_is_new_or_doubted_is_read() -> None:
    table, shelf = ItemTable(2**20), Shelf({"a": 1, "b": 2})
    shelf.fill(table, ["a", "b", "c"])
    assert shelf.reads == ["a", "b", "c"]
    table.doubt(table.rows(["b"]))
    shelf.views["b"] = 5
    rows = shelf.fill(table, ["a", "b", "c", "d"])
    assert shelf.reads == ["a", "b", "c", "b", "d"]
    found = table.touched(["a", "b", "c", "d"], rows)
    assert found.ids == ["a", "b"]
    assert found.x[:, VIEW].tolist() == [1, 5]


def test_what_was_written_stands_until_it_is_doubted() -> None:
    table, shelf = ItemTable(2**20), Shelf()
    rows = shelf.fill(table, ["a", "b"])
    assert table.etags(rows).tolist() == [0, 0]
    records = Records.empty(2)
    records.x[:, VIEW] = [3, 4]
    table.put(rows, records, 9)
    assert table.etags(rows).tolist() == [9, 9]
    assert table.touched(["a", "b"], rows).x[:, VIEW].tolist() == [3, 4]
    table.doubt(rows[:1])
    rows = shelf.fill(table, ["a", "b"])
    assert table.touched(["a", "b"], rows).ids == ["b"]


def test_much_beside_a_record_is_not_kept() -> None:
    table, shelf = ItemTable(2**20), Shelf({"a": 1}, MAX_BESIDE_BYTES + 1)
    rows = shelf.fill(table, ["a"])
    assert table.touched(["a"], rows).known[0].aux == 1
    assert table.known("a").aux == 0
    shelf.fill(table, ["a"])
    assert shelf.reads == ["a", "a"]


def test_once_everything_is_doubted_it_is_read_again_what_was_written_meanwhile_too() -> None:
    table, shelf = ItemTable(2**20), Shelf({"a": 1, "b": 2})
    rows = shelf.fill(table, ["a", "b"])
    table.doubt_everything()
    assert (table.known("a").aux, table.is_read(rows[:1])) == (0, False)
    table.put(rows[:1], Records.empty(1), 9)
    assert not table.is_read(rows[:1])
    assert shelf.fill(table, ["a", "b"]).tolist() == rows.tolist()
    assert shelf.reads == ["a", "b", "a", "b"]
    assert table.is_read(rows)
    assert table.known("a").aux == 1


def test_the_columns_tell_of_what_is_known_also_of_what_is_doubted_between_reading_and_use() -> (
    None
):
    item = known_of(NewItem(item_id="a", time=5.0, title="x", price=2.0))
    table = ItemTable(2**20)
    rows = table.rows(["a"])
    shelf = SimpleNamespace(read_items=lambda ids: _answer([Entry(7, RECORD, item, 10)]))
    asyncio.run(table.read(cast(Store, shelf), rows))
    assert table.touched(["a"], rows).beside == beside([item])
    table.doubt_everything()
    found = table.touched(["a"], rows)
    assert found.known == [NOTHING]
    assert np.isnan(found.beside["launch"]).all()
    assert not found.beside["offered"].any()
