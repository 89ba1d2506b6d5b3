"""What is fetched becomes contiguous chunks, and every partition has its share of a fetch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import structlog
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.errors import TopicAuthorizationFailedError
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streamer.chunk import Chunk
from streamer.consumer_thread import ConsumerThread
from streamer.fetched import Fetched, Fetches, Portions
from streamer.lane import Lane, Room
from streamer.state.birth import Extent
from streamer.transport import ChunkConsumer, from_committed

PARTITION = TP("topic", 0)


def fetched(offsets: Sequence[int], next_: int, start: int | None = None) -> Fetched:
    count = len(offsets)
    return Fetched(
        np.array(offsets, np.int64),
        np.zeros(count, np.int64),
        [b"k"] * count,
        [b"v"] * count,
        offsets[0] if start is None else start,
        next_,
    )


def chunks_of(lane: Lane, offsets: list[int], next_: int) -> list[Chunk]:
    consumer: Any = SimpleNamespace()
    consumer._chunk = partial(ChunkConsumer._chunk, consumer)
    found = []
    for chunk in ChunkConsumer._chunks(consumer, PARTITION, lane, fetched(offsets, next_)):
        lane.issue(chunk)
        found.append(chunk)
    return found


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=6), min_size=1, max_size=6),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 2),
)
def test_chunks_follow_one_another_and_none_reaches_over_where_processing_resumes(
    fetches: list[list[int]], start: int, ahead: int, behind: int
) -> None:
    lane, at = Lane("log", start + ahead, start, 10**6, 10**9), start - 1
    position = start
    for gaps in fetches:
        offsets = []
        for gap in gaps:
            at += gap
            offsets.append(at)
        at += behind
        chunks = chunks_of(lane, offsets, at + 1)
        if len(chunks) == 2:
            assert chunks[1].start == lane.resume
        assert [o for chunk in chunks for o in chunk.offsets.tolist()] == offsets
        for chunk in chunks:
            assert chunk.start == position
            assert all(chunk.start <= offset < chunk.end for offset in chunk.offsets.tolist())
            assert len(chunk.keys) == len(chunk.values) == len(chunk.timestamps_ms) == len(chunk)
            assert chunk.reread == bool((chunk.offsets < lane.resume).any())
            assert not chunk.reread or chunk.end <= lane.resume
            position = chunk.end
        assert position == at + 1 or (position == lane.resume > at - behind)


@dataclass
class Fetcher:
    """Says of which partitions it holds fetches, and how often it was waited for."""

    _records: dict[Any, Any]
    waited: int = 0
    _closed: bool = False
    _wait_consume_future: Any = None
    _subscriptions: Any = field(
        default_factory=lambda: SimpleNamespace(
            fetch_context=nullcontext, reassignment_in_progress=False
        )
    )

    def _create_fetch_waiter(self) -> asyncio.Future[None]:
        self.waited += 1
        return asyncio.get_running_loop().create_future()

    def _notify(self, future: Any) -> None: ...


class Endless(FetchResult):
    """A fetch that never ends; notes in ``asked`` when it is asked."""

    def __init__(self, tp: TP, asked: list[TP]) -> None:
        self.tp, self.asked = tp, asked

    def has_more(self) -> bool:
        return True


def fetch(fetcher: Fetcher, active: set[TP], rounds: int) -> list[dict[TP, Fetched]]:
    thread = ConsumerThread.__new__(ConsumerThread)
    cast(Any, thread).consumer = SimpleNamespace(
        flow_active=True, room=lambda tp: Room(10**9, 10**9)
    )
    thread._turn, thread._fetches = 0, Fetches()
    consumer = cast(Any, SimpleNamespace(_closed=False, _fetcher=fetcher))

    async def run() -> list[dict[TP, Fetched]]:
        return [await thread._fetch_records(consumer, active, 0.01, 100) for _ in range(rounds)]

    return asyncio.run(run())


@pytest.mark.parametrize("full", [1, 2, 5])
def test_every_full_partition_has_an_equal_share_of_every_fetch(
    full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def portion(self: Portions, most: int, most_bytes: int) -> Fetched:
        fetch = cast(Endless, self.fetch)
        fetch.asked.append(fetch.tp)
        return fetched(range(most), most)

    monkeypatch.setattr(Portions, "take", portion)
    partitions = [TP(topic, n) for topic in ("a", "b") for n in range(3)]
    asked: list[TP] = []
    fetcher = Fetcher({tp: Endless(tp, asked) for tp in partitions[:full]})
    for found in fetch(fetcher, set(partitions), 6):
        assert {tp: len(some) for tp, some in found.items()} == dict.fromkeys(
            partitions[:full], 100
        )
    firsts = asked[::full]
    assert set(firsts) == set(partitions[:full])
    assert not fetcher.waited


def test_where_nothing_has_arrived_a_fetch_waits() -> None:
    fetcher = Fetcher({})
    assert fetch(fetcher, {TP("a", 0), TP("a", 1)}, 1) == [{}]
    assert fetcher.waited == 1


def test_what_a_fetch_failed_with_is_raised_once() -> None:
    failed = FetchError(error=TopicAuthorizationFailedError("a"), backoff=0.0)
    fetcher = Fetcher({TP("a", 0): failed})
    with pytest.raises(TopicAuthorizationFailedError):
        fetch(fetcher, {TP("a", 0)}, 1)
    assert fetch(fetcher, {TP("a", 0)}, 1) == [{}]


@pytest.mark.parametrize(
    ("committed", "start", "expired"),
    [(None, 10, False), (5, 10, True), (10, 10, False), (15, 15, False), (30, 20, False)],
)
def test_a_topic_without_watermarks_is_read_from_where_the_group_stands_and_what_expired_is_said(
    committed: int | None, start: int, expired: bool
) -> None:
    extent = Extent("topic", 0, "log", committed, 10, 20)
    with structlog.testing.capture_logs() as logs:
        assert asyncio.run(from_committed([extent])) == {PARTITION: (start, start)}
    assert bool(logs) == expired


class Reader:
    """What `ChunkConsumer.getmany` needs of itself, with one fetch at hand."""

    flow_active, should_stop = True, False
    highwaters: ClassVar[dict[TP, int]] = {}

    def __init__(self, lanes: dict[TP, Lane], found: dict[TP, Fetched]) -> None:
        self.lanes, self._asked, self._found = lanes, dict(lanes), found
        self.reopened: list[TP] = []
        self._opening: dict[TP, float] = {}
        self.lag: Callable[[], dict[TP, int]] = lambda: ChunkConsumer.lag(cast(Any, self))
        self.app = SimpleNamespace(
            consumer_generation_id=1,
            monitor=SimpleNamespace(track_tp_end_offset=lambda tp, offset: None),
        )
        self._reopen_soon = self.reopened.append
        self._dropped: set[TP] = set()
        self._drop = partial(ChunkConsumer._drop, cast(ChunkConsumer, self))
        self._chunk = partial(ChunkConsumer._chunk, cast(ChunkConsumer, self))
        self._chunks = partial(ChunkConsumer._chunks, cast(ChunkConsumer, self))

    async def _wait_next_records(self, timeout: float) -> tuple[dict[TP, Fetched], set[TP]]:
        return self._found, set(self._found)

    def highwater(self, tp: TP) -> int:
        return self.highwaters.get(tp, 0)

    def _message(self, tp: TP, lane: Lane, chunk: Chunk) -> Chunk:
        ChunkConsumer._message(cast(ChunkConsumer, self), tp, lane, chunk)
        return chunk

    def read(self, between: Callable[[], None] = lambda: None) -> list[tuple[TP, Chunk]]:
        async def all_of() -> list[tuple[TP, Chunk]]:
            found = []
            async for tp, chunk in ChunkConsumer.getmany(cast(ChunkConsumer, self), 1.0):
                found.append((tp, cast(Chunk, chunk)))
                between()
            return found

        return asyncio.run(all_of())


OTHER, THIRD = TP("topic", 1), TP("topic", 2)


def lane(position: int, resume: int = 0) -> Lane:
    return Lane("log", resume, position, 10**6, 10**9)


def test_what_was_fetched_before_a_partition_was_opened_again_is_not_taken_for_what_follows() -> (
    None
):
    some = {PARTITION: fetched([0, 1], 2), OTHER: fetched([1000, 1001], 1002)}
    reader = Reader({PARTITION: lane(0), OTHER: lane(1000)}, some)
    again = lane(800, resume=900)
    found = reader.read(lambda: reader.lanes.update({OTHER: again}))
    assert [tp for tp, _ in found] == [PARTITION]
    assert (again.position, again.fetched) == (800, 800)
    assert reader.reopened == [OTHER], "or what it waits for would never come"


@pytest.mark.parametrize("again", [{PARTITION: lane(3)}, {}], ids=["opened again", "gone"])
def test_the_second_chunk_of_a_fetch_is_finished_where_it_was_issued(
    again: dict[TP, Lane],
) -> None:
    """Though its partition is another's, or has begun anew, since the first was handed out."""
    mine = lane(0, resume=5)
    reader = Reader({PARTITION: mine}, {PARTITION: fetched(range(10), 10)})

    def revoked() -> None:
        reader.lanes = dict(again)

    found = reader.read(revoked)
    assert [(chunk.start, chunk.end) for _, chunk in found] == [(0, 5), (5, 10)]
    assert {cast(Any, chunk.source)._lane for _, chunk in found} == {mine}


def test_a_fetch_that_does_not_begin_where_the_last_one_ended_is_read_again() -> None:
    reader = Reader({PARTITION: lane(800)}, {PARTITION: fetched([1000], 1001)})
    assert reader.read() == []
    assert reader.reopened == [PARTITION]


def test_a_log_that_ends_in_a_mark_of_a_transaction_has_nothing_that_waits() -> None:
    mine = lane(10)
    reader = Reader({PARTITION: mine}, {PARTITION: fetched([], 11, start=10)})
    reader.highwaters = {PARTITION: 11}
    assert reader.read() == []
    assert reader.lag() == {PARTITION: 0}
    reader._found = {PARTITION: fetched([12], 13, start=11)}
    ((_, chunk),) = reader.read()
    assert (chunk.start, chunk.end, chunk.offsets.tolist()) == (10, 13, [12])
    assert reader.reopened == []


def test_what_waits_is_what_the_client_or_the_broker_has_heard_of() -> None:
    mine = lane(10)
    reader = Reader({PARTITION: mine}, {})
    reader.highwaters = {PARTITION: 12}
    assert reader.lag() == {PARTITION: 2}
    mine.end = 15
    assert reader.lag() == {PARTITION: 5}
    mine.fetched = 15
    assert reader.lag() == {PARTITION: 0}


def test_a_partition_should_move_that_has_events_or_is_still_to_be_opened() -> None:
    mine, level = lane(10), lane(10)
    mine.moved_at = 100.0
    reader = Reader({PARTITION: mine, THIRD: level}, {})
    reader._opening = {OTHER: 200.0}
    reader.lag = lambda: {PARTITION: 3, THIRD: 0}
    assert ChunkConsumer._should_move(cast(ChunkConsumer, reader)) == {
        f"{PARTITION.topic}/{PARTITION.partition}": 100.0,
        f"{OTHER.topic}/{OTHER.partition}": 200.0,
    }
