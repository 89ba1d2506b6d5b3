"""merge.lua against the numpy merge and a plain bottom-k sketch, over random records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from streamer.settings import Settings
from streamer.state.connection import Client, connected
from streamer.state.layout import Layout
from streamer.state.merge import merge_rows
from streamer.state.scripts import _fill, _read
from streamer.state.scripts import script as script_of

T = TypeVar("T")

SMALL = Layout(
    name="item",
    schema=2,
    least=("first_time",),
    greatest=("last_time",),
    sums=("version", "views"),
    decayed=((3600.0, ("views",)), (86400.0, ("views", "value"))),
    lists=(("users", 4), ("days", 3)),
)
CALL = """
local merged, bytes = merge_item(ARGV[1] ~= '' and ARGV[1], ARGV[2], 1, ARGV[3], 1)
return {merged, bytes}
"""
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def script(layout: Layout) -> str:
    return _read("records") + _fill(_read("merge"), layout, "") + CALL


class Record:
    """A record of SMALL: fields and lists."""

    def __init__(self, x: np.ndarray, lists: list[list[int]]) -> None:
        self.x, self.lists = x, lists

    @classmethod
    def unpacked(cls, packed: bytes) -> Record:
        head = np.frombuffer(packed, SMALL.head, 1)[0]
        assert head["schema"] == SMALL.schema
        values = np.frombuffer(packed, ">u4", offset=SMALL.head.itemsize).tolist()
        lists = []
        for name, _ in SMALL.lists:
            lists.append(values[: head[name]])
            values = values[head[name] :]
        assert not values
        return cls(head["x"], lists)

    def packed(self) -> tuple[bytes, bytes]:
        """Head and tail."""
        head = SMALL.heads(1)
        head["x"] = self.x
        for (name, _), members in zip(SMALL.lists, self.lists, strict=True):
            head[name] = len(members)
        return head.tobytes(), np.array([*self.lists[0], *self.lists[1]], ">u4").tobytes()


@st.composite
def records(draw: st.DrawFn) -> Record:
    x = SMALL.identity.copy()
    if draw(st.booleans()):
        last = draw(st.floats(0, 4e9))
        x[:] = [last - draw(st.floats(0, 1e6)), last, *draw(_sums), *draw(_decayed)]
    # Values that share bytes with one another, so that a match across two of them would show.
    value = st.integers(0, 2**32 - 1) | st.sampled_from(
        [0, 1, 256, 257, 65_536, 65_793, 16_843_009]
    )
    lists = [sorted(draw(st.sets(value, max_size=keep))) for _, keep in SMALL.lists]
    return Record(x, lists)


_sums = st.lists(st.integers(0, 10**12).map(float), min_size=2, max_size=2)
_decayed = st.lists(st.floats(0, 1e12), min_size=3, max_size=3)


async def merge(client: Client, stored: Record | None, delta: Record) -> Record:
    head, tail = delta.packed()
    merged, used = await client.eval(
        script(SMALL), 1, "{t}:log", b"".join(stored.packed()) if stored else b"", head, tail
    )
    assert used == len(tail)
    return Record.unpacked(merged)


def on_valkey(url: str, work: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with connected(Settings(redis=url)) as client:
            return await work(client)

    return asyncio.run(run())


def assert_same(one: Record, other: Record) -> None:
    """Counters exactly, decayed values to 1e-9; a list that is not full yet may be in any order."""
    plain = len(SMALL.fields) - 3
    np.testing.assert_array_equal(one.x[:plain], other.x[:plain])
    np.testing.assert_allclose(one.x[plain:], other.x[plain:], rtol=1e-9, atol=1e-290)
    assert [sorted(members) for members in one.lists] == [sorted(m) for m in other.lists]


@quick
@given(st.none() | records(), st.lists(records(), min_size=1, max_size=5))
def test_the_script_merges_like_numpy_and_keeps_the_smallest_members(
    redis_url: str, stored: Record | None, deltas: list[Record]
) -> None:
    async def work(client: Client) -> Record:
        merged = stored
        for delta in deltas:
            merged = await merge(client, merged, delta)
        assert merged is not None
        return merged

    everything = [*([stored] if stored else []), *deltas]
    x = merge_rows(SMALL, np.array([r.x for r in everything]), np.zeros(len(everything), int), 1)
    smallest = [
        sorted(set().union(*(r.lists[place] for r in everything)))[:keep]
        for place, (_, keep) in enumerate(SMALL.lists)
    ]
    assert_same(on_valkey(redis_url, work), Record(x[0], smallest))


@quick
@given(records(), records(), records())
def test_merging_commutes_associates_and_repeats_no_member(
    redis_url: str, a: Record, b: Record, c: Record
) -> None:
    async def work(client: Client) -> None:
        ab, bc = await merge(client, a, b), await merge(client, b, c)
        assert_same(ab, await merge(client, b, a))
        assert_same(await merge(client, ab, c), await merge(client, a, bc))
        again = await merge(client, ab, b)
        assert [sorted(m) for m in again.lists] == [sorted(m) for m in ab.lists]

    on_valkey(redis_url, work)


@quick
@given(records())
def test_a_first_record_is_the_delta_byte_for_byte(redis_url: str, delta: Record) -> None:
    async def work(client: Client) -> bytes:
        merged, _ = await client.eval(script(SMALL), 1, "{t}:log", b"", *delta.packed())
        return bytes(merged)

    assert on_valkey(redis_url, work) == b"".join(delta.packed())


NEXT = replace(
    SMALL,
    schema=3,
    least=("first_time", "first_purchase_time"),
    sums=("version", "views", "clicks"),
    older=((2, SMALL.fields),),
)


@quick
@given(records(), records())
def test_an_older_record_is_carried_over_by_field_name(
    redis_url: str, stored: Record, delta: Record
) -> None:
    newer = NEXT.heads(1)
    for name, column in SMALL.index.items():
        newer["x"][0, NEXT.index[name]] = delta.x[column]
    newer["x"][0, NEXT.index["clicks"]] = 5

    async def work(client: Client) -> tuple[bytes, Record]:
        arguments: Any = (b"".join(stored.packed()), newer.tobytes(), b"")
        merged, _ = await client.eval(script(NEXT), 1, "{t}:log", *arguments)
        return bytes(merged), await merge(client, stored, Record(delta.x, [[], []]))

    packed, expected = on_valkey(redis_url, work)
    head = np.frombuffer(packed, NEXT.head, 1)[0]
    assert head["schema"] == 3
    found = dict(zip(NEXT.fields, head["x"].tolist(), strict=True))
    assert found.pop("clicks") == 5
    assert found.pop("first_purchase_time") == np.inf
    np.testing.assert_allclose(list(found.values()), expected.x, rtol=1e-9)
    assert packed[NEXT.head.itemsize :] == b"".join(stored.packed())[SMALL.head.itemsize :]


@quick
@given(records())
def test_an_older_record_is_read_as_the_script_carries_it_over(
    redis_url: str, stored: Record
) -> None:
    older = b"".join(stored.packed())

    async def work(client: Client) -> bytes:
        arguments: Any = (older, NEXT.heads(1).tobytes(), b"")
        carried, _ = await client.eval(script(NEXT), 1, "{t}:log", *arguments)
        return bytes(carried)

    carried = on_valkey(redis_url, work)
    assert NEXT.current([older, carried]) == [carried, carried]


def test_an_older_record_is_forgotten_by_its_own_last_event(redis_url: str) -> None:
    async def work(client: Client) -> list[bytes]:
        for name, last_time in (("old", 100.0), ("young", 300.0)):
            head = SMALL.heads(1)
            head["x"][0, SMALL.index["last_time"]] = last_time
            await client.set(f"{{older}}:i:{name}", head.tobytes())
        text = script_of("forget", NEXT)
        gone: list[bytes] = await client.eval(text, 1, "{older}:log", "200", "old\nyoung")
        return gone

    assert on_valkey(redis_url, work) == [b"old"]


def test_a_record_of_a_newer_schema_is_refused(redis_url: str) -> None:
    newer = NEXT.heads(1).tobytes()
    head, tail = Record(SMALL.identity, [[], []]).packed()

    async def work(client: Client) -> None:
        await client.eval(script(SMALL), 1, "{t}:log", newer, head, tail)

    with pytest.raises(ResponseError, match="SCHEMA a stored item record has schema 3"):
        on_valkey(redis_url, work)
