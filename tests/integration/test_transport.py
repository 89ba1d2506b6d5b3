"""Chunks from a real broker: contiguous, fair, bounded, and committed only behind what is done."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from faust.types import TP
from kafka import TopicPartition
from prometheus_client import REGISTRY

from streamer import watchdog
from streamer.broker import administrator
from streamer.chunk import Chunk
from streamer.consumer_thread import ConsumerThread
from streamer.embedded import valkey
from streamer.errors import BrokerUnavailable, Stalled
from streamer.faust_app import StreamerApp
from streamer.settings import Settings
from streamer.topology import USER_BEHAVIOUR
from tests.support.leaders import lose_leader
from tests.support.logs import write
from tests.support.processes import (
    HARD_LIMIT_SECONDS,
    metric,
    own_group,
    running,
    until,
    wait_until,
)
from tests.support.shop import purchase

pytestmark = pytest.mark.filterwarnings("ignore::faust.exceptions.AlreadyConfiguredWarning")

RECORDS = 1000
CHUNK = 50
IN_FLIGHT = 5 * CHUNK // 2
"""A partition may hold three chunks, the last of which is cut here."""


@pytest.fixture
def settings(broker_address: str, redis_url: str) -> Settings:
    limits = {"chunk_max_records": CHUNK, "in_flight_max_records": IN_FLIGHT}
    return own_group(broker_address, redis_url, commit_interval_seconds=0.1, **limits)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(HARD_LIMIT_SECONDS):
            await scenario

    asyncio.run(limited())


async def fill(settings: Settings, *partitions: int) -> None:
    for partition in partitions:
        records = [(b"k", f"{partition}/{offset}".encode()) for offset in range(RECORDS)]
        await write(settings, USER_BEHAVIOUR.name, records, partition)


@asynccontextmanager
async def reading(
    settings: Settings, take: Callable[[Chunk], object], **instead: Any
) -> AsyncIterator[StreamerApp]:
    """A member of the group whose only agent hands every chunk to ``take``; it has these methods
    ``instead``."""
    app = StreamerApp(settings.group, settings)
    for name, method in instead.items():
        setattr(app, name, method)

    @app.agent(app.chunks(USER_BEHAVIOUR), name="reader")  # type: ignore[untyped-decorator]
    async def reader(stream: Any) -> None:
        async for chunk in stream.noack():
            take(chunk)

    app.finalize()
    await app.maybe_start()
    try:
        yield app
    finally:
        app.conf.stream_wait_empty = False
        await app.stop()


def committed(settings: Settings) -> list[int]:
    """The group's offset in each partition; 0 where it has none."""
    name = settings.topic(USER_BEHAVIOUR.name)
    with administrator(settings.broker) as admin:
        found: Any = admin.list_group_offsets({settings.group: None}).get(settings.group) or {}
    places = (TopicPartition(name, number) for number in range(settings.partitions))
    return [max(0, getattr(found.get(place), "offset", 0)) for place in places]


async def until_committed(settings: Settings, expected: list[int]) -> None:
    async def so() -> bool:
        return await asyncio.to_thread(committed, settings) == expected

    await until(so, f"{expected} committed")


def records(chunks: list[Chunk], partition: int) -> int:
    return sum(len(chunk) for chunk in chunks if chunk.partition == partition)


def assert_contiguous(chunks: list[Chunk], end: int) -> None:
    for partition in (0, 1):
        at = 0
        for chunk in chunks:
            if chunk.partition == partition:
                assert chunk.start == at
                assert chunk.values == [f"{partition}/{n}".encode() for n in chunk.offsets]
                assert chunk.offsets.tolist() == list(range(chunk.start, chunk.end))
                at = chunk.end
        assert at == end


def test_chunks_are_contiguous_of_bounded_size_and_fair_to_every_partition(
    settings: Settings,
) -> None:
    async def scenario() -> None:
        await fill(settings, 0, 1)
        chunks: list[Chunk] = []

        def take(chunk: Chunk) -> None:
            chunks.append(chunk)
            chunk.done()

        async with reading(settings, take):
            await until_committed(settings, [RECORDS, RECORDS])
        assert_contiguous(chunks, RECORDS)
        assert max(len(chunk) for chunk in chunks) == CHUNK
        seen: Counter[int] = Counter()
        for chunk in chunks:
            seen[chunk.partition] += 1
            if max(seen.values()) < RECORDS / CHUNK:
                assert abs(seen[0] - seen[1]) <= 2

    run(scenario())


def test_a_full_partition_pauses_and_the_other_goes_on(settings: Settings) -> None:
    async def scenario() -> None:
        await fill(settings, 0, 1)
        chunks: list[Chunk] = []
        held: list[Chunk] = []
        slow = True

        def take(chunk: Chunk) -> None:
            chunks.append(chunk)
            if slow and chunk.partition == 0:
                held.append(chunk)
            else:
                chunk.done()

        async with reading(settings, take):
            await until_committed(settings, [0, RECORDS])
            assert records(chunks, 0) == IN_FLIGHT
            slow = False
            for chunk in held:
                chunk.done()
            await until_committed(settings, [RECORDS, RECORDS])
        assert_contiguous(chunks, RECORDS)

    run(scenario())


def test_the_bytes_of_a_partition_are_bounded_within_a_batch(settings: Settings) -> None:
    """By less than a record's, whatever comes in one fetch; a larger record passes alone."""
    most, usual, large = 20_000, 3_000, 50_000
    sizes = [usual] * 100 + [large] + [usual] * 100
    bounded = settings.model_copy(
        update={
            "chunk_max_records": RECORDS,
            "in_flight_max_records": RECORDS,
            "in_flight_max_bytes": most,
        }
    )

    async def scenario() -> None:
        await write(bounded, USER_BEHAVIOUR.name, [(b"k", bytes(size)) for size in sizes])
        held: list[Chunk] = []
        read: list[int] = []
        in_flight: list[list[int]] = []

        def take(chunk: Chunk) -> None:
            held.append(chunk)
            in_flight.append([len(value or b"") for each in held for value in each.values])
            read.extend(len(value or b"") for value in chunk.values)

        async def let_go() -> bool:
            """Once nothing more comes."""
            before = len(held)
            await asyncio.sleep(0.1)
            if len(held) == before:
                for chunk in held:
                    chunk.done()
                held.clear()
            return len(read) == len(sizes)

        async with reading(bounded, take):
            await until(let_go, "everything read")
            await until(let_go, "everything done")
            await until_committed(bounded, [len(sizes), 0])
        assert read == sizes
        assert all(sum(values[:-1]) < most for values in in_flight)
        assert any(sum(values) > most for values in in_flight if large in values)

    run(scenario())


def test_room_is_given_back_before_a_chunk_may_be_committed(settings: Settings) -> None:
    async def scenario() -> None:
        await fill(settings, 0)
        chunks: list[Chunk] = []

        def take(chunk: Chunk) -> None:
            chunks.append(chunk)
            chunk.processed()

        async with reading(settings, take):
            await until(lambda: _all_read(chunks), "everything read")
            assert committed(settings) == [0, 0]
            for chunk in chunks:
                chunk.done()
            await until_committed(settings, [RECORDS, 0])

    run(scenario())


async def _all_read(chunks: list[Chunk]) -> bool:
    return records(chunks, 0) == RECORDS


def test_nothing_is_committed_past_a_chunk_that_is_not_done(settings: Settings) -> None:
    """Whoever comes next begins with that chunk."""

    async def scenario() -> None:
        await fill(settings, 0)
        chunks: list[Chunk] = []

        def take(chunk: Chunk) -> None:
            chunks.append(chunk)
            chunk.processed()
            if len(chunks) != 3:
                chunk.done()

        async with reading(settings, take):
            await until(lambda: _all_read(chunks), "everything read")
            await until_committed(settings, [2 * CHUNK, 0])
            await asyncio.sleep(10 * settings.commit_interval_seconds)
            assert committed(settings) == [2 * CHUNK, 0]
        again: list[Chunk] = []

        def take_again(chunk: Chunk) -> None:
            again.append(chunk)
            chunk.done()

        async with reading(settings, take_again):
            await until_committed(settings, [RECORDS, 0])
        assert again[0].start == chunks[2].start

    run(scenario())


def test_nothing_is_dropped_for_what_was_handed_on_before(settings: Settings) -> None:
    """By whoever had the partition until it was sought back."""

    async def scenario() -> None:
        async with reading(settings, Chunk.done) as app:

            async def assigned() -> bool:
                return len(app.consumer.lanes) == settings.partitions

            await until(assigned, "partitions assigned")
            for tp in app.consumer.lanes:
                app.consumer._read_offset[tp] = RECORDS
            await fill(settings, 0)
            await until_committed(settings, [RECORDS, 0])
            assert app.consumer.highwater(TP("another member's", 0)) == 0

    run(scenario())


@pytest.mark.parametrize("asked", ["committed", "_fetch_records", "_commit"])
def test_what_the_broker_refuses_is_said_in_a_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    async def refused(self: ConsumerThread, *_: Any, **more: Any) -> None:
        raise TopicAuthorizationFailedError

    monkeypatch.setattr(ConsumerThread, asked, refused)

    async def scenario() -> None:
        await fill(settings, 0)
        async with reading(settings, Chunk.done) as app:
            await app.ending.wait()
        assert isinstance(app.failure, BrokerUnavailable)
        assert "TopicAuthorizationFailed" in str(app.failure)

    run(scenario())


def test_a_rewound_partition_is_read_again_from_there(settings: Settings) -> None:
    async def scenario() -> None:
        await fill(settings, 0)
        chunks: list[Chunk] = []
        starts = {"offset": 0}

        async def from_there(extents: list[Any]) -> dict[tuple[str, int], tuple[int, int]]:
            return {(e.topic, e.partition): (starts["offset"], starts["offset"]) for e in extents}

        def take(chunk: Chunk) -> None:
            chunks.append(chunk)
            if len(chunks) == 4:
                starts["offset"] = CHUNK
                chunk.rewind(CHUNK)
            else:
                chunk.done()

        async with reading(settings, take) as app:
            app.start_offsets = from_there
            await until_committed(settings, [RECORDS, 0])
        turn = next(n for n, chunk in enumerate(chunks) if n and chunk.start == CHUNK and n > 3)
        assert [c.start for c in chunks[turn:]] == list(range(CHUNK, RECORDS, CHUNK))

    run(scenario())


def test_a_partition_belongs_to_the_log_that_its_start_was_asked_of(settings: Settings) -> None:
    """Though the topic be made again before it is read."""

    async def scenario() -> None:
        asked: list[str] = []
        opened: list[str] = []

        async def made_again_each_time(topics: set[str]) -> dict[str, str]:
            asked.append(f"log-{len(asked)}")
            return dict.fromkeys(topics, asked[-1])

        async def start_offsets(extents: list[Any]) -> dict[tuple[str, int], tuple[int, int]]:
            opened.extend(extent.log for extent in extents)
            return {(e.topic, e.partition): (0, 0) for e in extents}

        async with reading(
            settings, Chunk.done, topic_ids=made_again_each_time, start_offsets=start_offsets
        ) as app:

            async def assigned() -> bool:
                return len(app.consumer.lanes) == settings.partitions

            await until(assigned, "partitions assigned")
            assert {lane.log for lane in app.consumer.lanes.values()} == {opened[-1]}

    run(scenario())


def test_a_rebalance_in_the_middle_of_chunks_loses_nothing(settings: Settings) -> None:
    async def scenario() -> None:
        taken: dict[str, list[Chunk]] = defaultdict(list)
        done: dict[int, set[int]] = defaultdict(set)
        working: set[asyncio.Task[None]] = set()

        def slowly(member: str) -> Callable[[Chunk], None]:
            async def work(chunk: Chunk) -> None:
                taken[member].append(chunk)
                await asyncio.sleep(0.15)
                done[chunk.partition] |= set(chunk.offsets.tolist())
                chunk.done()

            def take(chunk: Chunk) -> None:
                task = asyncio.create_task(work(chunk))
                working.add(task)
                task.add_done_callback(working.discard)

            return take

        written = 0

        async def keep_writing() -> None:
            nonlocal written
            while not (taken["first"] and taken["second"]):
                await fill(settings, 0, 1)
                written += RECORDS
                await asyncio.sleep(1.0)

        async with reading(settings, slowly("first")):
            writing = asyncio.create_task(keep_writing())
            await until(lambda: _begun(taken["first"]), "the first member at work")
            async with reading(settings, slowly("second")):
                await writing
                await fill(settings, 0, 1)
                everything = written + RECORDS
                await until_committed(settings, [everything, everything])
        assert done == {0: set(range(everything)), 1: set(range(everything))}
        late = [chunk for chunk in taken["first"] if chunk.start >= written]
        assert len({chunk.partition for chunk in late}) == 1

    run(scenario())


async def _begun(what: list[Any]) -> bool:
    return bool(what)


def test_a_worker_that_makes_no_progress_counts_it_and_ends_with_a_code_of_its_own(
    broker_address: str, tmp_path: Path
) -> None:
    """Its Redis is gone for longer than it may stand still, while events wait."""
    redis, url = valkey(tmp_path)
    settings = own_group(broker_address, url, stall_timeout_seconds=2.0)
    with redis, running(settings, tmp_path, "worker") as (worker,):
        redis.kill()
        asyncio.run(write(settings, USER_BEHAVIOUR.name, [purchase("late")]))
        counted = partial(metric, [worker.port], "streamer_stalls_total")
        wait_until(lambda: counted() == 1, "the stall counted")
        wait_until(lambda: not worker.child.alive, "the stalled worker ended")
        assert worker.child.exit_code == Stalled.exit_code
        assert "stalled: events wait and nothing moves" in worker.child.log.read_text()


def test_a_partition_stalls_whose_fetches_have_ceased_before_anything_came(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client itself hears of nothing more; those of the brokers do that are not down."""
    monkeypatch.setattr(watchdog, "STALLED_STAYS_SECONDS", 0.0)
    counted = REGISTRY.get_sample_value("streamer_stalls_total") or 0

    async def scenario() -> None:
        quick = settings.model_copy(update={"stall_timeout_seconds": 3.0})
        await fill(quick, 0)
        async with reading(quick, Chunk.done) as app:
            await until_committed(quick, [RECORDS, 0])
            lose_leader(monkeypatch, quick.topic(USER_BEHAVIOUR.name), 1)
            thread = app.consumer._thread
            fetcher = thread._consumer._fetcher
            thread.thread_loop.call_soon_threadsafe(fetcher._fetch_task.cancel)
            await asyncio.sleep(2 * quick.stall_timeout_seconds)
            assert not app.ending.is_set(), "nothing waits"
            await fill(quick, 0)
            await app.ending.wait()
            assert isinstance(app.failure, Stalled)
            (waiting,) = [n for tp, n in app.consumer.lag().items() if tp.partition == 0]
            assert waiting == RECORDS

    run(scenario())
    assert REGISTRY.get_sample_value("streamer_stalls_total") == counted + 1


def test_an_event_loop_that_stands_still_is_noticed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call does not come back; the thread that ends the process does not need the loop."""
    monkeypatch.setattr(watchdog, "STALLED_STAYS_SECONDS", 0.0)
    monkeypatch.setattr(watchdog, "ENDING_SECONDS", 0.0)
    left_with: list[BaseException | None] = []
    left = threading.Event()

    def leave(failure: BaseException | None) -> None:
        left_with.append(failure)
        left.set()

    monkeypatch.setattr(watchdog, "leave", leave)

    async def scenario() -> None:
        quick = settings.model_copy(update={"stall_timeout_seconds": 2.0})
        await fill(quick, 0)
        noticed: list[bool] = []

        def hang(_: Chunk) -> None:
            noticed.append(left.wait(HARD_LIMIT_SECONDS))

        async with reading(quick, hang):
            await until(lambda: _begun(noticed), "the loop running again")
        assert noticed[0]

    run(scenario())
    assert str(left_with[0]) == "the event loop has not moved for 2 s"


def test_a_worker_that_was_stopped_for_long_goes_on(broker_address: str, tmp_path: Path) -> None:
    """Its clock has moved meanwhile, while an event waited and nothing else could move."""
    redis, url = valkey(tmp_path)
    settings = own_group(broker_address, url, stall_timeout_seconds=5.0)
    with redis, running(settings, tmp_path, "worker") as (worker,):
        redis.send(signal.SIGSTOP)
        asyncio.run(write(settings, USER_BEHAVIOUR.name, [purchase("late")]))
        waiting = partial(metric, [worker.port], "streamer_lag_records")
        wait_until(lambda: waiting() == 1, "the event fetched")
        worker.child.send(signal.SIGSTOP)
        time.sleep(2 * settings.stall_timeout_seconds)
        worker.child.send(signal.SIGCONT)
        time.sleep(settings.stall_timeout_seconds / 3)
        redis.send(signal.SIGCONT)
        wait_until(lambda: waiting() == 0, "the event done")
        assert worker.child.alive
        assert metric([worker.port], "streamer_stalls_total") == 0


def test_a_worker_without_anything_to_do_does_not_count_as_stalled(
    broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    settings = own_group(broker_address, redis_url, stall_timeout_seconds=4.0)
    with running(settings, tmp_path, "worker") as (worker,):
        asyncio.run(asyncio.sleep(2 * settings.stall_timeout_seconds))
        assert worker.child.alive
