"""A Faust transport whose events are chunks of records instead of records.

It is registered in the entry-point group ``faust.transports`` under ``streamer``; a broker URL of
``streamer://host:port`` selects it. Agents stay ordinary Faust agents: ``async for chunk in
stream.noack()``; a chunk's offsets are committed after ``chunk.done()``.

Faust's consumer runs aiokafka on a thread of its own and handles each record by itself; here each
fetch hands over whole ranges. Faust's bookkeeping of single offsets is replaced by a `Lane` for
each partition.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import aiokafka
import numpy as np
import structlog
from aiokafka.errors import KafkaError
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service
from mode.utils.futures import notify

from streamer import failpoint
from streamer.broker import known_log_ends, log_ends
from streamer.chunk import Chunk
from streamer.consumer_thread import ConsumerThread
from streamer.errors import BrokerUnavailable, StreamerError
from streamer.fetched import Fetched
from streamer.lane import Lane, Room
from streamer.settings import Settings
from streamer.state.birth import Extent
from streamer.watchdog import Watchdog

log = structlog.get_logger(__name__)

MEMBERSHIP_LOOK_SECONDS = 1.0
CROWDED_POLL_SECONDS = 0.01
"""How long a fetch may wait while a full partition waits for room."""


def told(error: BaseException) -> BaseException:
    """The error as the command line tells it: one of the client's is the broker's."""
    if isinstance(error, KafkaError):
        return BrokerUnavailable(f"Kafka does not answer, or refuses what we ask: {error!r}")
    return error


class ChunkSchema(Schema[Any, Any]):
    """Hands a chunk to the agent as it is."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, None, message)

        return decode


StartOffsets = Callable[[list[Extent]], Awaitable[Mapping[tuple[str, int], tuple[int, int]]]]
"""Says for each partition where to read from and where to resume: (read from, resume)."""


async def from_committed(extents: list[Extent]) -> dict[tuple[str, int], tuple[int, int]]:
    """For topics without watermarks: where the group stands, or the earliest retained offset."""
    starts = {}
    for extent in extents:
        start = extent.earliest
        if extent.committed is not None:
            start = min(max(extent.committed, extent.earliest), extent.end)
            if extent.committed < extent.earliest:
                log.warning(
                    "records have expired before they were read",
                    topic=extent.topic,
                    partition=extent.partition,
                    offset=extent.committed,
                    retained_from=extent.earliest,
                )
        starts[extent.topic, extent.partition] = (start, start)
    return starts


class _NothingRead(dict[TP, int | None]):
    """What Faust last handed on of each partition: it would drop, unsaid, what lies before that,
    although a partition may have been sought back since. Lanes see to the order."""

    def __getitem__(self, tp: TP) -> None:
        return None


class ChunkConsumer(driver.Consumer):
    """Hands out chunks and commits behind them."""

    app: Any
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings: Settings = self.app.streamer_settings
        self._read_offset = _NothingRead()
        self.lanes: dict[TP, Lane] = {}
        self._asked: dict[TP, Lane] = {}
        self._opening: dict[TP, float] = {}
        self._dropped: set[TP] = set()
        self._room = asyncio.Event()
        self._asking: asyncio.Future[Any] | None = None

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Where a partition starts

    async def perform_seek(self) -> None:
        """Called by Faust after every assignment, before anything is fetched."""
        try:
            assigned = sorted(self.assignment())
            log.info("partitions assigned", partitions=len(assigned))
            self.lanes.clear()
            await self._open(assigned)
        except StreamerError as error:
            self.app.fail(error)
            raise

    async def _open(self, partitions: list[TP]) -> None:
        if not partitions:
            return
        self._opening |= dict.fromkeys(partitions, time.monotonic())
        self._dropped.difference_update(partitions)
        extents = await self.extents(partitions)
        starts = await self.app.start_offsets(extents)
        logs = {(extent.topic, extent.partition): extent.log for extent in extents}
        limits = self.settings.in_flight_max_records, self.settings.in_flight_max_bytes
        lanes = {}
        for tp in self._still_wanted(partitions):
            read_from, resume = starts[tp.topic, tp.partition]
            lanes[tp] = Lane(logs[tp.topic, tp.partition], resume, read_from, *limits)
            self._committed_offset[tp] = None
        if lanes:
            await self.seek_wait({tp: lane.position for tp, lane in lanes.items()})
        self.lanes |= {tp: lanes[tp] for tp in self._still_wanted(list(lanes))}
        for tp in partitions:
            self._opening.pop(tp, None)
        for tp in self._dropped & lanes.keys():
            self._reopen_soon(tp)
        self._room.set()

    def _still_wanted(self, partitions: list[TP]) -> list[TP]:
        """Those of the partitions that nobody has taken away, or opened, meanwhile."""
        assigned = self.assignment()
        return [tp for tp in partitions if tp in assigned and tp not in self.lanes]

    async def extents(self, partitions: list[TP]) -> list[Extent]:
        """The partitions as the broker has them now."""
        ids = await self.app.topic_ids({tp.topic for tp in partitions})
        committed = await self._thread.committed(partitions)
        earliest = await self.earliest_offsets(*partitions)
        ends = await log_ends(self.settings.broker, partitions)
        return [
            Extent(tp.topic, tp.partition, ids[tp.topic], committed[tp], earliest[tp], ends[tp])
            for tp in partitions
        ]

    async def _reopen(self, tp: TP) -> None:
        """Reads a partition again from where the state says."""
        try:
            await self._open([tp])
        except StreamerError as error:
            self.app.fail(error)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self.lanes.pop(tp, None)
            self._opening.pop(tp, None)

    # Fetching

    def room(self, tp: TP) -> Room:
        """What the next portion of a partition may hold. It is asked in the thread of the client,
        where room may only have grown since the fetch was allowed."""
        lane = self._asked.get(tp)
        return lane.room if lane else Room(1, 1)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        active = active_partitions or set()
        ready = {tp for tp in active if (lane := self.lanes.get(tp)) and lane.has_room()}
        if not ready:
            self._room.clear()
            await self.wait(self._room.wait(), timeout=timeout)
            return {}
        if len(ready) < len(active):
            timeout = CROWDED_POLL_SECONDS
        self._asked = {tp: self.lanes[tp] for tp in ready}
        return await super()._getmany(ready, timeout)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        records, _ = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if not records or self.should_stop:
            return
        found: Any
        for aiotp, found in records.items():
            tp = TP(aiotp.topic, aiotp.partition)
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return
            lane = self.lanes.get(tp)
            if lane is None or lane is not self._asked.get(tp):
                self._drop(tp)
                continue
            if found.start != lane.fetched:
                log.warning(
                    "the log does not go on",
                    topic=tp.topic,
                    partition=tp.partition,
                    expected=lane.fetched,
                    offset=found.start,
                )
                self._reopen_soon(tp)
                continue
            lane.read_to(found.next)
            for chunk in self._chunks(tp, lane, found):
                lane.issue(chunk)
                failpoint.passing("fetched")
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._message(tp, lane, chunk)

    def _drop(self, tp: TP) -> None:
        """What was fetched for a lane that is gone may be of what was there before the partition was
        sought, or of what the new lane waits for: it is sought once more."""
        if tp in self.lanes:
            self._reopen_soon(tp)
        else:
            self._dropped.add(tp)

    def _chunks(self, tp: TP, lane: Lane, found: Fetched) -> Iterator[Chunk]:
        """What was fetched as a chunk, or as two where processing resumes in the middle."""
        cut = 0
        if lane.position < lane.resume:
            cut = int(np.searchsorted(found.offsets, lane.resume))
        if cut:
            end = lane.resume if cut < len(found) else min(found.next, lane.resume)
            yield self._chunk(tp, lane, found.part(slice(cut)), end, reread=True)
        if cut < len(found):
            rest = found.part(slice(cut, None)) if cut else found
            yield self._chunk(tp, lane, rest, found.next, reread=False)

    def _chunk(self, tp: TP, lane: Lane, found: Fetched, end: int, *, reread: bool) -> Chunk:
        return Chunk(
            topic=tp.topic,
            partition=tp.partition,
            log=lane.log,
            start=lane.position,
            end=end,
            offsets=found.offsets,
            timestamps_ms=found.timestamps_ms,
            keys=found.keys,
            values=found.values,
            reread=reread,
        )

    def _message(self, tp: TP, lane: Lane, chunk: Chunk) -> ConsumerMessage:
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            chunk.end - 1,
            time.time(),
            0,
            None,
            None,
            chunk,  # type: ignore[arg-type]
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )
        chunk.source = _Handle(self, lane, message)
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Faust looks for holes between single offsets; chunks are contiguous by construction."""

    # What became of a chunk

    def finish(self, lane: Lane, message: ConsumerMessage) -> None:
        """The chunk of this message needs no more waiting for, done or void."""
        message.acked = True
        self._unacked_messages.discard(message)
        self._room.set()
        notify(self._waiting_for_ack)

    def ack(self, message: Any) -> bool:
        """Called by Faust where an agent does not take acknowledgement upon itself."""
        if message.acked:
            return False
        message.value.done()
        return True

    def rewind(self, lane: Lane, tp: TP, offset: int) -> None:
        if self.lanes.get(tp) is lane:
            log.warning("reading again", topic=tp.topic, partition=tp.partition, offset=offset)
            self._reopen_soon(tp)

    def _reopen_soon(self, tp: TP) -> None:
        self.lanes.pop(tp, None)
        self.add_future(self._reopen(tp))

    # Committing

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(list(self.lanes))

    def _new_offset(self, tp: TP) -> int | None:
        lane = self.lanes.get(tp)
        return lane.committable() if lane else None

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        failpoint.passing("committing")
        committed: bool = await super()._commit(offsets)
        failpoint.passing("committed")
        return committed

    # Watching

    def highwater(self, tp: TP) -> int:
        """Where the last fetch said that a partition ends; 0 where none did, or where it went to
        another member just now."""
        with suppress(AssertionError):
            return super().highwater(tp) or 0
        return 0

    def lag(self) -> dict[TP, int]:
        """Records of each partition that wait to be finished. A log is taken to end where the last
        fetch said, or where the broker did when it was last asked, if that is further."""
        return {
            tp: max(0, max(self.highwater(tp), lane.end) - lane.unfinished)
            for tp, lane in self.lanes.items()
        }

    def positions(self) -> dict[TP, int]:
        """The first offset of each partition that is not finished."""
        return {tp: lane.unfinished for tp, lane in self.lanes.items()}

    @Service.task
    async def _watch_membership(self) -> None:
        """Ends the process when it is out of the group for good: it would idle for ever."""
        async for _ in self.itertimer(MEMBERSHIP_LOOK_SECONDS, name="membership"):
            if error := self._thread.given_up():
                group = self.settings.group
                self.app.fail(BrokerUnavailable(f"Kafka keeps us out of group {group}: {error!r}"))

    @Service.task
    async def _watch_logs(self) -> None:
        """Finds out that a topic was made again where a fetch does not say so: not every broker
        refuses an offset behind the end of a log, and by the next fetch the new log may be as long
        as the old one was."""
        async for _ in self.itertimer(self.settings.idle_check_seconds, name="logs"):
            with suppress(BrokerUnavailable):
                await self._reopen_made_again()

    async def _reopen_made_again(self) -> None:
        lanes = dict(self.lanes)
        ids = await self.app.topic_ids({tp.topic for tp in lanes}) if lanes else {}
        for tp, lane in lanes.items():
            if self.lanes.get(tp) is lane and ids[tp.topic] not in (lane.log, tp.topic):
                log.warning("the topic was made again", topic=tp.topic, partition=tp.partition)
                self._reopen_soon(tp)

    @Service.task
    async def _watch_progress(self) -> None:
        """Shows the watchdog which partitions should move, and has it end the process where one
        does not: Faust has been seen to idle for ever, and a process that does not run is at least
        restarted."""
        with Watchdog(self.app, self.settings.stall_timeout_seconds) as watchdog:
            interval = watchdog.interval_seconds
            async for _ in self.itertimer(interval, name="progress"):
                watchdog.show(self._should_move())
                if self._asking is None or self._asking.done():
                    self._asking = self.add_future(self._ask_for_ends(interval / 2))

    async def _ask_for_ends(self, seconds: float) -> None:
        """Learns from the broker, within these seconds, where partitions end that seem to be read
        to their end: where fetches have ceased, a client hears of nothing more.

        A log may end in marks of transactions, which hold no event. Whoever still fetches has
        passed by the next look whatever the broker counted at this one, so they do not add up to a
        stall. The client that asks is not the one that is looked after. Where a leader does not
        answer nothing is known to wait.
        """
        lanes = self.lanes.items()
        level = {tp: lane for tp, lane in lanes if self.highwater(tp) <= lane.unfinished}
        ends: Mapping[tuple[str, int], int] = {}
        with suppress(BrokerUnavailable):
            ends = await known_log_ends(self.settings.broker, level, seconds)
        for tp, lane in level.items():
            lane.end = ends.get(tp, 0)

    def _should_move(self) -> dict[str, float]:
        """When each partition moved last in which events wait, or of which it is not yet known
        where to read from."""
        lag = self.lag()
        waiting = {tp: lane.moved_at for tp, lane in self.lanes.items() if lag[tp]}
        return {f"{tp.topic}/{tp.partition}": at for tp, at in (waiting | self._opening).items()}


class _Handle:
    """What a chunk knows of the consumer it came from."""

    __slots__ = ("_consumer", "_lane", "_message")

    def __init__(self, consumer: ChunkConsumer, lane: Lane, message: ConsumerMessage) -> None:
        self._consumer = consumer
        self._lane = lane
        self._message = message

    def moved(self, chunk: Chunk) -> None:
        self._lane.moved()

    def processed(self, chunk: Chunk) -> None:
        self._lane.processed(chunk.start)
        self._consumer._room.set()

    def done(self, chunk: Chunk) -> None:
        chunk.source = None  # or its records would wait for the cyclic collector
        self._lane.done(chunk.start)
        self._consumer.finish(self._lane, self._message)

    def rewind(self, chunk: Chunk, offset: int) -> None:
        chunk.source = None
        self._consumer.finish(self._lane, self._message)
        self._consumer.rewind(self._lane, self._message.tp, offset)


class Producer(driver.Producer):
    """Faust's producer, with the one beneath it at hand for batches."""

    @property
    def client(self) -> aiokafka.AIOKafkaProducer:
        return self._ensure_producer()


class ChunkTransport(driver.Transport):
    """Chunks in, acknowledged records out."""

    Consumer = ChunkConsumer
    Producer = Producer
