"""The table of relatives answers with the last record put, and with nothing for the unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.state import kin as module
from streamer.state.keys import KIN_KINDS, channel_kin
from streamer.state.kin import KinTable
from streamer.state.known import NO_FAMILY, Families, Family, Known, family
from streamer.state.layout import KIN
from tests.support.touching import kin_record

NONE = np.empty(0, np.int64)
CROWD = 0x10000
"""Channels whose hashes differ by this much share their last bits."""

hashed = st.integers(1, 20) | st.integers(1, 20).map(lambda n: n % 3 + CROWD * n)
names = st.integers(0, 60).map(lambda n: f"brand:{n:04x}") | hashed.map(channel_kin)


def record(views: float) -> bytes:
    return kin_record(view=views)


def views(table: KinTable, rows: Any) -> list[float]:
    return table.x[rows, KIN.index["view"]].tolist()


def relatives(*kin: str) -> Family:
    return family(" ".join(kin).encode())


def families(*some: Family) -> Families:
    """Those of items that are nothing else."""
    return Families(np.array([f.number for f in some], np.int64), [Known(family=f) for f in some])


@given(st.lists(st.dictionaries(names, st.integers(1, 1000), max_size=30), max_size=8))
def test_the_last_record_stands(puts: list[dict[str, int]]) -> None:
    table, expected = KinTable(), dict[str, int]()
    for some in puts:
        table.put(list(some), [record(n) for n in some.values()])
        expected |= some
    assert views(table, [table.row(name) for name in expected]) == list(expected.values())
    assert table.names(np.array([table.row(name) for name in expected], int)) == list(expected)
    channels = {int(k[8:], 16): n for k, n in expected.items() if k.startswith("channel:")}
    rows = table.channel_rows(np.array(list(channels), np.int64))
    assert views(table, rows) == list(channels.values())
    for row in (0, table.row("brand:none"), table.channel_rows(np.array([99]))[0]):
        np.testing.assert_array_equal(table.x[row], KIN.identity)


@given(
    st.lists(
        st.lists(st.sampled_from(["brand:a", "brand:b", "type:a", "category:a"]), unique=True)
    ),
    st.permutations(["brand:a", "brand:b", "type:a", "category:a"]),
)
def test_the_relatives_of_a_family_are_found_whenever_they_came(
    kin_ids: list[list[str]], order: list[str]
) -> None:
    table = KinTable()
    some = [relatives(*kin) for kin in kin_ids]
    for number, name in enumerate(order, start=1):
        table.put([name], [record(number)])
        known = dict(zip(order, range(1, number + 1), strict=False))
        assert views(table, table.relatives(families(*some))) == [
            [known.get(kin, 0.0) for kin in each.by_kind] for each in some
        ]


def test_an_item_without_relatives_has_none() -> None:
    assert KinTable().relatives(families(NO_FAMILY)).tolist() == [[0] * len(KIN_KINDS)]


def test_it_grows_and_a_relative_without_a_record_is_at_hand_as_nothing() -> None:
    table = KinTable()
    many = [f"type:{n:06x}" for n in range(5000)]
    table.put(many, [record(n) for n in range(5000)])
    assert views(table, [table.row(name) for name in many]) == list(range(5000))
    table.put(["brand:x"], [None])
    assert table.row("brand:x") != 0
    np.testing.assert_array_equal(table.x[table.row("brand:x")], KIN.identity)


class CountingStore:
    """Holds one record for every relative, and counts what is read."""

    def __init__(self) -> None:
        self.reads: list[str] = []

    async def read(self, kind: str, names: Sequence[str]) -> list[bytes]:
        assert kind == "k"
        await asyncio.sleep(0)
        self.reads += names
        return [record(7)] * len(names)


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SIZE", 20)
    table, portion = KinTable(), 8
    for first in range(0, 10 * portion, portion):
        some = families(*(relatives(f"type:{n}") for n in range(first, first + portion)))
        asyncio.run(table.ensure(cast(Any, CountingStore()), some, NONE))
        assert len(table._row) <= 20 + portion
        assert table.row(f"type:{first}") != 0


def test_a_batch_may_have_more_relatives_than_the_table_is_to_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SIZE", 20)
    table, store = KinTable(), CountingStore()
    some = families(*(relatives(f"brand:{n}", f"type:{n}") for n in range(20)))

    async def met_and_ensured() -> None:
        async with asyncio.timeout(60.0):
            table.put([f"brand:{n}" for n in range(15)], [record(1)] * 15)
            await table.meet(cast(Any, store), some)
            await table.ensure(cast(Any, store), some, np.arange(1, 31))

    asyncio.run(met_and_ensured())
    assert not table._missing(table._places(some))


def test_only_what_is_missing_or_old_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    table, store = KinTable(), CountingStore()
    some, channels = [relatives("brand:a"), relatives("brand:b", "type:c")], np.array([5, 6])
    table.put(["brand:a", channel_kin(5)], [record(1), record(2)])
    for _ in range(2):
        asyncio.run(table.ensure(cast(Any, store), families(*some), channels))
        assert sorted(store.reads) == sorted(["brand:b", "type:c", channel_kin(6)])
    monkeypatch.setattr(module, "MAX_AGE_SECONDS", -1.0)
    assert sorted(table._stale(families(some[1]), channels[:1])) == sorted(
        ["brand:b", "type:c", channel_kin(5)]
    )


def test_whom_one_has_met_is_not_read_again_however_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_AGE_SECONDS", -1.0)
    table, store = KinTable(), CountingStore()
    table.put(["brand:a"], [record(1)])
    asyncio.run(table.meet(cast(Any, store), families(relatives("brand:a", "type:c"))))
    assert store.reads == ["type:c"]


def test_whatever_was_ensured_is_at_hand_also_when_the_table_has_just_been_full() -> None:
    table, store = KinTable(), CountingStore()
    table.put([f"type:{n}" for n in range(module._SIZE)], [record(1)] * module._SIZE)
    some = families(relatives("type:1", "brand:new"))
    asyncio.run(table.ensure(cast(Any, store), some, NONE))
    assert table.row("type:1") != 0
    assert table.row("brand:new") != 0
