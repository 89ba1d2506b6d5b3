"""The thread on which aiokafka runs: membership of the group, commits, and fetches handed over in
bounded portions, as columns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import aiokafka
import structlog
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streamer.broker import ISOLATION_LEVEL
from streamer.errors import BrokerUnavailable
from streamer.fetched import Fetched, Fetches

log = structlog.get_logger(__name__)

FETCH_WAIT_MS = 20
"""How long a broker without new records may sit on a fetch. Kafka answers as soon as there are
some, others only when this time is over."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Takes what aiokafka has fetched, a bounded portion of each partition in turn."""

    consumer: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._turn = 0
        self._fetches = Fetches()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._isolation_level = ISOLATION_LEVEL
        return consumer

    def highwater(self, tp: TP) -> Any:
        """Where the last fetch said that ends what may be read, None where none did: an open
        transaction and what lies behind it must wait."""
        return self._ensure_consumer().last_stable_offset(tp)

    def given_up(self) -> BaseException | None:
        """Why aiokafka no longer tries to be in the group, if it has stopped trying. It waits to
        be asked for this, and Faust never asks."""
        coordinator = getattr(self._consumer, "_coordinator", None)
        if coordinator is None:
            return None
        error: BaseException | None = coordinator._pending_exception
        return error

    async def on_start(self) -> None:
        """Raises BrokerUnavailable where the broker that had answered is gone again."""
        try:
            await super().on_start()
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka does not answer any more: {error!r}") from error

    async def on_thread_stop(self) -> None:
        """Where no broker answers, aiokafka lets the end of the fetch that it has cancelled itself
        through to whoever closes it."""
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            log.warning("no broker to take leave of; the group will notice by itself")

    async def committed(self, partitions: Iterable[TP]) -> dict[TP, int | None]:
        """The group's committed offset of each partition."""
        found: dict[TP, int | None] = await self.call_thread(self._committed, list(partitions))
        return found

    async def _committed(self, partitions: list[TP]) -> dict[TP, int | None]:
        consumer = self._ensure_consumer()
        found = await asyncio.gather(
            *(consumer.committed(aiokafka.TopicPartition(*tp)) for tp in partitions)
        )
        return dict(zip(partitions, found, strict=True))

    async def _fetch_records(  # type: ignore[override]
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, Fetched]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        with fetcher._subscriptions.fetch_context():
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            order = sorted(active_partitions)
            self._turn += 1
            first = self._turn % len(order)
            order = order[first:] + order[:first]
            room = {tp: self.consumer.room(tp) for tp in order}
            return await self._fetches.take(fetcher, room, max_records or 1, timeout or 0.0)
