"""A sweep at once, outside the workers: every item scored again as of the last event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streamer.assess import Assessor
from streamer.clock import StreamClock
from streamer.errors import BrokerUnavailable
from streamer.filing import Filer
from streamer.judge import Judge
from streamer.outputs import Outputs
from streamer.publish import Publisher
from streamer.registry import active
from streamer.settings import Settings
from streamer.state.boards import Boards
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.state.store import Store
from streamer.sweep import Sweep


@dataclass(frozen=True, slots=True)
class _Plain:
    client: AIOKafkaProducer


async def count_items(settings: Settings) -> int:
    """How many items have a state. Raises RedisUnavailable."""
    keys = Keys(settings.group, settings.shards)
    async with connected(settings) as client:
        store = Store(client, keys, settings.user_retention_seconds)
        return sum([await store.known_count(shard) for shard in range(settings.shards)])


async def rescore_everything(settings: Settings, progress: Callable[[int], None]) -> None:
    """Scores, publishes and files every item; ``progress`` is told how many are done.

    Time stands still meanwhile: the scores are those at the largest event time applied. Workers,
    whose clock goes on, have filed as of later; that is forgotten first. Raises RedisUnavailable,
    BrokerUnavailable, BundleError.
    """
    keys = Keys(settings.group, settings.shards)
    judge = Judge(active(settings.model_store))
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, acks="all")
    try:
        await producer.start()
    except KafkaError as error:
        raise BrokerUnavailable(f"Kafka at {settings.broker} does not answer ({error})") from None
    try:
        async with connected(settings) as client:
            store = Store(client, keys, settings.user_retention_seconds)
            clock = StreamClock(monotonic=lambda: 0.0)
            assess = Assessor(store, judge, clock, settings.item_cache_max_bytes)
            await assess.learn_time()
            publisher, boards = Publisher(_Plain(producer)), Boards(client, keys)
            outputs = Outputs(publisher, settings)
            filer = Filer(boards, publisher, settings)
            await boards.forget_filings()
            sweep = Sweep(assess, outputs, filer, boards, settings)
            await sweep.once(range(settings.shards), progress)
    finally:
        await producer.stop()
