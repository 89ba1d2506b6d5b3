"""The merge that is written out in Lua against the one in numpy, over random records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from redis.exceptions import ResponseError

from streamer.settings import Settings
from streamer.state.connection import Client, connected
from streamer.state.layout import Layout
from streamer.state.merge import merge_groups
from streamer.state.scripts import _fill, _read

T = TypeVar("T")
Floats = NDArray[np.float64]

SMALL = Layout(
    name="item",
    schema=2,
    least=("first_time",),
    greatest=("last_time",),
    sums=("version", "views"),
    decayed=((3600.0, ("views",)), (86400.0, ("views", "value"))),
)
CALL = "return merge_item(ARGV[1] ~= '' and ARGV[1], ARGV[2], 1)"
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def script(layout: Layout) -> str:
    merge = _read("records") + _read("current") + _read("merge")
    return _fill(merge, layout, "") + CALL


def packed(x: Floats, layout: Layout = SMALL) -> bytes:
    head = layout.heads(1)
    head["x"] = x
    return head.tobytes()


def unpacked(record: bytes) -> Floats:
    head = np.frombuffer(record, SMALL.head, 1)[0]
    assert head["schema"] == SMALL.schema
    x: Floats = head["x"]
    return x


@st.composite
def records(draw: st.DrawFn) -> Floats:
    """The fields of a record of SMALL."""
    x = SMALL.identity.copy()
    if draw(st.booleans()):
        last = draw(st.floats(0, 4e9))
        x[:] = [last - draw(st.floats(0, 1e6)), last, *draw(_sums), *draw(_decayed)]
    return x


_sums = st.lists(st.integers(0, 10**12).map(float), min_size=2, max_size=2)
_decayed = st.lists(st.floats(0, 1e12), min_size=3, max_size=3)


async def merge(client: Client, stored: Floats | None, delta: Floats) -> Floats:
    before = b"" if stored is None else packed(stored)
    return unpacked(await client.eval(script(SMALL), 1, "{t}:log", before, packed(delta)))


def on_valkey(url: str, work: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with connected(Settings(redis=url)) as client:
            return await work(client)

    return asyncio.run(run())


def assert_same(one: Floats, other: Floats) -> None:
    """Counters exactly, decayed values to 1e-9."""
    decayed = SMALL.decayed_slice
    np.testing.assert_array_equal(np.delete(one, decayed), np.delete(other, decayed))
    np.testing.assert_allclose(one[decayed], other[decayed], rtol=1e-9, atol=1e-290)


@quick
@given(st.none() | records(), st.lists(records(), min_size=1, max_size=5))
def test_the_script_merges_like_numpy(
    redis_url: str, stored: Floats | None, deltas: list[Floats]
) -> None:
    async def work(client: Client) -> Floats:
        merged = stored
        for delta in deltas:
            merged = await merge(client, merged, delta)
        assert merged is not None
        return merged

    everything = [*([] if stored is None else [stored]), *deltas]
    _, (x,) = merge_groups(SMALL, np.array(everything), np.zeros(len(everything), int))
    assert_same(on_valkey(redis_url, work), x)


@quick
@given(records(), records(), records())
def test_merging_commutes_and_associates(redis_url: str, a: Floats, b: Floats, c: Floats) -> None:
    async def work(client: Client) -> None:
        ab, bc = await merge(client, a, b), await merge(client, b, c)
        assert_same(ab, await merge(client, b, a))
        assert_same(await merge(client, ab, c), await merge(client, a, bc))

    on_valkey(redis_url, work)


@quick
@given(records())
def test_a_first_record_is_the_delta_byte_for_byte(redis_url: str, delta: Floats) -> None:
    async def work(client: Client) -> bytes:
        return bytes(await client.eval(script(SMALL), 1, "{t}:log", b"", packed(delta)))

    assert on_valkey(redis_url, work) == packed(delta)


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
    redis_url: str, stored: Floats, delta: Floats
) -> None:
    newer = NEXT.identity.copy()
    for name, column in SMALL.index.items():
        newer[NEXT.index[name]] = delta[column]
    newer[NEXT.index["clicks"]] = 5

    async def work(client: Client) -> tuple[bytes, Floats]:
        merged = await client.eval(script(NEXT), 1, "{t}:log", packed(stored), packed(newer, NEXT))
        return bytes(merged), await merge(client, stored, delta)

    record, expected = on_valkey(redis_url, work)
    head = np.frombuffer(record, NEXT.head, 1)[0]
    assert head["schema"] == 3
    found = dict(zip(NEXT.fields, head["x"].tolist(), strict=True))
    assert found.pop("clicks") == 5
    assert found.pop("first_purchase_time") == np.inf
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-9)


@quick
@given(records())
def test_an_older_record_is_read_as_the_script_carries_it_over(
    redis_url: str, stored: Floats
) -> None:
    older = packed(stored)

    async def work(client: Client) -> bytes:
        nothing = NEXT.heads(1).tobytes()
        return bytes(await client.eval(script(NEXT), 1, "{t}:log", older, nothing))

    carried = on_valkey(redis_url, work)
    assert NEXT.current([older, carried]) == [carried, carried]


def test_a_record_of_a_newer_schema_is_refused(redis_url: str) -> None:
    async def work(client: Client) -> None:
        arguments = packed(NEXT.identity, NEXT), packed(SMALL.identity)
        await client.eval(script(SMALL), 1, "{t}:log", *arguments)

    with pytest.raises(ResponseError, match="SCHEMA a stored item record has schema 3"):
        on_valkey(redis_url, work)
