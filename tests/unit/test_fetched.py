"""Fetched batches taken as columns hold what aiokafka hands out record by record."""

from __future__ import annotations

import gc
import struct
import weakref
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.consumer.fetcher import (
    READ_COMMITTED,
    READ_UNCOMMITTED,
    FetchResult,
    PartitionRecords,
)
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streamer.chunk import value_bytes
from streamer.fetched import Fetched, Portions

PLACE = TopicPartition("topic", 0)
PLAIN, IN_TRANSACTION, COMMIT, ABORT = "plain", "in transaction", "commit", "abort"
PRODUCER = 7
CRC_AT, ATTRIBUTES_AT, CONTROL = 17, 21, 0x20


def batch(kind: str, base_offset: int, values: Sequence[bytes | None]) -> bytes:
    """A record batch (format v2) of one producer; a marker holds one record of its own."""
    marker = kind in (COMMIT, ABORT)
    builder = DefaultRecordBatchBuilder(2, 0, int(kind != PLAIN), PRODUCER, 0, 0, 2**20)
    if marker:
        values = [b"\0" * 6]
    for place, value in enumerate(values):
        key = struct.pack(">hh", 0, int(kind == COMMIT)) if marker else f"k{place}".encode()
        builder.append(place, 1_700_000_000_000 + place, key, value, [])
    packed = bytearray(builder.build())
    packed[:8] = base_offset.to_bytes(8, "big")
    if marker:
        packed[ATTRIBUTES_AT + 1] |= CONTROL
        packed[CRC_AT:ATTRIBUTES_AT] = calc_crc32c(bytes(packed[ATTRIBUTES_AT:])).to_bytes(4, "big")
    return bytes(packed)


def fetch(log: bytes, start: int, isolation: int, aborted: list[tuple[int, int]]) -> FetchResult:
    records = PartitionRecords(
        PLACE, MemoryRecords(log), list(aborted), start, None, None, True, isolation
    )
    position = SimpleNamespace(position=start, paused=False)
    position.consumed_to = lambda offset: setattr(position, "position", offset)
    assignment = SimpleNamespace(active=True, state_value=lambda tp: position)
    return FetchResult(PLACE, assignment=assignment, partition_records=records, backoff=0)


PLENTY = 10**9


def portions(found: FetchResult, most: int, most_bytes: int = PLENTY) -> list[Fetched]:
    taken, rest = [], Portions(found)
    while found.has_more():
        if (some := rest.take(most, most_bytes)) is not None:
            taken.append(some)
    return taken


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PLAIN, PLAIN, IN_TRANSACTION, COMMIT, ABORT]),
            st.integers(0, 3),
            st.lists(st.none() | st.binary(max_size=5), min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 6),
    st.sampled_from([READ_COMMITTED, READ_UNCOMMITTED]),
    st.integers(1, 9),
    st.integers(1, 20) | st.just(PLENTY),
)
def test_the_same_records_come_as_one_by_one(
    batches: list[tuple[str, int, list[bytes | None]]],
    start: int,
    isolation: int,
    most: int,
    most_bytes: int,
) -> None:
    log, at = b"", 0
    aborted, open_from = [], None
    for kind, hole, values in batches:
        at += hole
        log += batch(kind, at, values)
        if kind == IN_TRANSACTION and open_from is None:
            open_from = at
        if kind in (COMMIT, ABORT):
            if kind == ABORT and open_from is not None:
                aborted.append((PRODUCER, open_from))
            open_from = None
        at += 1 if kind in (COMMIT, ABORT) else len(values)
    kind, _, values = batches[0]
    start = min(start, 1 if kind in (COMMIT, ABORT) else len(values))
    expected = fetch(log, start, isolation, aborted).getall()
    found = fetch(log, start, isolation, aborted)
    taken = portions(found, most, most_bytes)
    rows = [
        (offset, time, key, value)
        for some in taken
        for offset, time, key, value in zip(
            some.offsets.tolist(), some.timestamps_ms.tolist(), some.keys, some.values, strict=True
        )
    ]
    assert rows == [(r.offset, r.timestamp, r.key, r.value) for r in expected]
    assert all(some.start <= some.offsets[0] for some in taken if len(some))
    assert all(some.offsets[-1] < some.next for some in taken if len(some))
    edges = [start, *(some.next for some in taken)]
    assert [some.start for some in taken] == edges[:-1]
    assert edges[-1] == at
    assert all(value_bytes(some.values[:-1]) < most_bytes for some in taken)
    full = [len(some) == most or value_bytes(some.values) >= most_bytes for some in taken]
    assert all(full[:-1])
    assert all(len(some) <= most for some in taken)
    assert found._assignment.state_value(PLACE).position == at


def test_a_part_is_cut_out_of_all_columns() -> None:
    (whole,) = portions(fetch(batch(PLAIN, 5, [b"a", b"b", b"c"]), 5, READ_UNCOMMITTED, []), 10)
    part = whole.part(slice(1, None))
    assert part.offsets.tolist() == [6, 7]
    assert list(part.keys) == [b"k1", b"k2"]
    assert part.values == [b"b", b"c"]
    assert (len(part), part.next) == (2, 8)


def test_a_batch_that_was_damaged_on_its_way_is_refused() -> None:
    damaged = bytearray(batch(PLAIN, 0, [b"value"]))
    damaged[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        Portions(fetch(bytes(damaged), 0, READ_UNCOMMITTED, [])).take(10, PLENTY)


def test_what_was_fetched_before_a_partition_was_sought_elsewhere_is_void() -> None:
    found = fetch(batch(PLAIN, 0, [b"value"]), 0, READ_UNCOMMITTED, [])
    cast(Any, found._assignment).state_value(PLACE).position = 3
    assert Portions(found).take(10, PLENTY) is None
    assert not found.has_more()


def test_what_was_taken_is_freed_without_the_cyclic_collector() -> None:
    found = fetch(batch(PLAIN, 0, [b"a", b"b"]), 0, READ_UNCOMMITTED, [])
    fetched = weakref.ref(found._partition_records)
    gc.disable()
    try:
        assert [part.values for part in portions(found, 1)] == [[b"a"], [b"b"]]
        assert fetched() is None
    finally:
        gc.enable()
