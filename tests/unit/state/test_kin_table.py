"""The table of relatives answers with the last record put, and with nothing for the unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.state import kin as module
from streamer.state.keys import channel_kin
from streamer.state.kin import KinTable
from streamer.state.layout import ITEM

names = st.integers(0, 60).map(lambda n: f"brand:{n:04x}") | st.integers(1, 60).map(channel_kin)


def record(views: float) -> bytes:
    head = ITEM.heads(1)
    head["x"][0, ITEM.index["view"]] = views
    return head.tobytes()


def views(table: KinTable, rows: np.ndarray) -> list[float]:
    return table.x[rows, ITEM.index["view"]].tolist()


@given(st.lists(st.dictionaries(names, st.integers(1, 1000), max_size=30), max_size=8))
def test_the_last_record_stands(puts: list[dict[str, int]]) -> None:
    table, expected = KinTable(), dict[str, int]()
    for some in puts:
        table.put(list(some), [record(n) for n in some.values()])
        expected |= some
    assert views(table, table.rows(list(expected))) == list(expected.values())
    channels = {int(k[8:], 16): n for k, n in expected.items() if k.startswith("channel:")}
    assert views(table, table.channel_rows(np.array(list(channels), np.int64))) == list(
        channels.values()
    )
    np.testing.assert_array_equal(table.x[table.row("brand:none")], ITEM.identity)
    np.testing.assert_array_equal(table.x[table.channel_rows(np.array([99]))[0]], ITEM.identity)
    np.testing.assert_array_equal(table.x[0], ITEM.identity)


def test_it_grows_and_a_relative_without_a_record_is_at_hand_as_nothing() -> None:
    table = KinTable()
    many = [f"type:{n:06x}" for n in range(5000)]
    table.put(many, [record(n) for n in range(5000)])
    assert views(table, table.rows(many)) == list(range(5000))
    table.put(["brand:x"], [None])
    assert table.row("brand:x") != 0
    np.testing.assert_array_equal(table.x[table.row("brand:x")], ITEM.identity)


def test_it_is_bounded() -> None:
    table = KinTable()
    portion = module._SIZE // 4
    for first in range(0, 2 * module._SIZE, portion):
        table.put([f"type:{n}" for n in range(first, first + portion)], [record(1)] * portion)
        assert len(table._row) <= module._SIZE
        assert table.row(f"type:{first}") != 0


class CountingStore:
    """Holds one record for every relative, and counts what is read."""

    def __init__(self) -> None:
        self.reads: list[str] = []

    async def read(self, kind: str, names: Sequence[str]) -> list[bytes]:
        assert kind == "k"
        self.reads += names
        return [record(7)] * len(names)


def test_only_what_is_missing_or_old_is_read(monkeypatch: Any) -> None:
    table, store = KinTable(), CountingStore()
    table.put(["brand:a"], [record(1)])
    asyncio.run(table.ensure(cast(Any, store), ["brand:a", "brand:b"]))
    asyncio.run(table.ensure(cast(Any, store), ["brand:a", "brand:b"]))
    assert store.reads == ["brand:b"]
    monkeypatch.setattr(module, "MAX_AGE_SECONDS", -1.0)
    assert sorted(table._stale(["brand:a", "brand:b"])) == ["brand:a", "brand:b"]


def test_whatever_was_ensured_is_at_hand_also_when_the_table_has_just_been_full() -> None:
    table, store = KinTable(), CountingStore()
    table.put([f"type:{n}" for n in range(module._SIZE)], [record(1)] * module._SIZE)
    asyncio.run(table.ensure(cast(Any, store), ["type:1", "type:2", "brand:new"]))
    assert 0 not in table.rows(["type:1", "type:2", "brand:new"])
