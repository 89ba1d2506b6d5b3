"""Plays a source into Kafka, at a speed and never too far ahead of the workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from streamer.errors import BrokerUnavailable, Stalled
from streamer.publish import Publisher
from streamer.replay.feed import Feed, Portion
from streamer.replay.producing import STOP_SECONDS, producing
from streamer.replay.progress import Progress, Rate, Sent
from streamer.replay.record import Source
from streamer.replay.schedule import Schedule
from streamer.settings import Settings

PORTION_RECORDS = 5000
TICK_SECONDS = 0.01
"""A paced replay that is not behind sends at most this often."""
LOOK_SECONDS = 0.02
"""How often a player that waits for the workers looks how far they are."""
REPORT_SECONDS = 0.25

Processed = Callable[[], Awaitable[int]]
"""Says how many of the records that this player sent are done with: applied, dropped as
duplicates, or buried as dead letters. It counts from the player's start and never goes back."""
Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a replay goes.

    ``speed`` is event seconds a second, None as fast as possible. With ``processed`` at most
    ``max_lead`` records are sent and not yet processed; if that count stands still for
    ``patience_seconds`` while the player waits for it, the replay ends with Stalled.
    """

    speed: float | None = None
    max_lead: int = 20_000
    processed: Processed | None = None
    patience_seconds: float = 120.0


class Player:
    """One replay of one source. ``sent`` counts what Kafka has acknowledged, also while it runs.

    Keys are item ids, so that an item's events stay in order in one partition. ``report`` is
    called a few times a second and at the end. Records above ``max_record_bytes`` are counted
    and left out; Kafka's own limit is about 1 MB unless it was set higher.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings,
        pace: Pace | None = None,
        report: Report = lambda progress: None,
        max_record_bytes: int = 1_000_000,
    ) -> None:
        self.source, self._settings, self._pace = source, settings, pace or Pace()
        self.sent = Sent()
        self._schedule = Schedule(source.start_time, self._pace.speed)
        self._max_record_bytes = max_record_bytes
        self._report = report
        self._rate = Rate()
        self._reported = 0.0
        self._time = source.start_time
        self._handed_over = 0
        self._processed = 0
        self._sending: asyncio.Task[None] | None = None

    async def play(self) -> Sent:
        """Sends everything; returns once it is acknowledged.

        Cancelled, it lets go what is on its way and stops. Raises BrokerUnavailable, Stalled.
        """
        async with producing(self._settings) as producer:
            publisher = Publisher(producer)
            try:
                await self._play(publisher)
            finally:
                await self._finish_sending()
        self._show()
        return self.sent

    async def _play(self, publisher: Publisher) -> None:
        feed = Feed(self.source, self._max_record_bytes)
        while (next_time := feed.next_time) is not None:
            room = await self._room()
            until = self._schedule.due_until(next_time)
            if next_time > until:
                await self._sleep(max(self._schedule.wait_seconds(next_time), TICK_SECONDS))
                continue
            portion = feed.take(room, until)
            await self._sent_before()
            self._handed_over += portion.counts.records
            self._sending = asyncio.create_task(self._send(publisher, portion))
            await self._show_now_and_then()
        await self._sent_before()

    async def _send(self, publisher: Publisher, portion: Portion) -> None:
        for topic, records in portion.records.items():
            await publisher.publish(self._settings.topic(topic), records)
        self.sent.by_topic += portion.counts.by_topic
        self.sent.by_kind += portion.counts.by_kind
        self.sent.too_large += portion.counts.too_large
        self._time = portion.time

    async def _sent_before(self) -> None:
        """Waits for the portion before; while it is on its way, the next one is prepared."""
        if self._sending:
            await asyncio.wait([self._sending])
            self._sending.result()
            self._sending = None

    async def _finish_sending(self) -> None:
        if self._sending:
            done, _ = await asyncio.wait([self._sending], timeout=STOP_SECONDS)
            if not done:
                self._sending.cancel()
            with suppress(asyncio.CancelledError, BrokerUnavailable):
                await self._sending

    # How far ahead

    async def _room(self) -> int:
        """How many records may be sent now; waits until it is worth sending."""
        if self._pace.processed is None:
            return PORTION_RECORDS
        worth = min(PORTION_RECORDS, max(1, self._pace.max_lead // 4))
        moved_at = time.monotonic()
        while (room := self._pace.max_lead - self._lead()) < worth:
            before = self._processed
            await self._look()
            if self._processed != before:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > self._pace.patience_seconds:
                raise Stalled(
                    f"no worker has processed anything for {self._pace.patience_seconds:.0f} s "
                    f"while {self._lead()} records wait: check that workers run and what they log"
                )
            else:
                await self._sleep(LOOK_SECONDS)
        return min(room, PORTION_RECORDS)

    def _lead(self) -> int:
        return self._handed_over - self._processed

    async def _look(self) -> None:
        if self._pace.processed:
            self._processed = await self._pace.processed()

    async def _sleep(self, seconds: float) -> None:
        """In pieces, with reports in between."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, REPORT_SECONDS))
            await self._show_now_and_then()

    # Reports

    async def _show_now_and_then(self) -> None:
        if time.monotonic() - self._reported >= REPORT_SECONDS:
            await self._look()
            self._show()

    def _show(self) -> None:
        self._reported = time.monotonic()
        sent = self.sent
        self._report(
            Progress(
                sent=sent.records,
                total=self.source.total,
                by_topic=dict(sent.by_topic),
                by_kind=dict(sent.by_kind),
                too_large=sent.too_large,
                events_per_second=self._rate.of(sent.records),
                lead=self._lead() if self._pace.processed else None,
                time=self._time,
            )
        )
