"""The broker as an administrator sees it: topics, their ids, where their partitions begin and end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError as AioKafkaError
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import (
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from streamer.errors import BrokerUnavailable
from streamer.settings import Settings
from streamer.topology import TOPICS, Topic

T = TypeVar("T")

BOOTSTRAP_TIMEOUT_MS = 5000
PATIENCE_SECONDS, PAUSE_SECONDS = 10.0, 0.2
"""How long a broker is asked again that can't tell just now, and how soon."""
ENDS_TIMEOUT_SECONDS = 30.0
ISOLATION_LEVEL = "read_committed"
"""What a transaction gave up counts for nothing; while it is open nobody knows (KIP-98)."""


@dataclass(frozen=True, slots=True)
class Described:
    """A topic as the broker has it; ``log`` is its id (KIP-516), its name where it has none."""

    name: str
    log: str
    partitions: int
    exists: bool


@contextmanager
def administrator(broker: str) -> Iterator[KafkaAdminClient]:
    """An administrative client. Raises BrokerUnavailable."""
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=broker, bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS
        )
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(
            f"Kafka at {broker} does not answer ({error}); start it or set STREAMER_BROKER"
        ) from None
    try:
        yield admin
    finally:
        admin.close()


def describe(broker: str, names: Iterable[str]) -> dict[str, Described]:
    """Topics by name, also those that do not exist. Raises BrokerUnavailable, also where the broker
    does not say whether there is one."""
    wanted = sorted(set(names))
    with administrator(broker) as admin:
        found = _insisting(broker, lambda: _known(admin, wanted))
    return {name: _described(name, found.get(name)) for name in wanted}


def _known(admin: KafkaAdminClient, names: list[str]) -> dict[str, dict[str, Any]]:
    """What the broker says of those that exist. Raises KafkaError, with the topic's name, where it
    says neither that nor that one does not."""
    found = {}
    for topic in admin.describe_topics(names):
        error = for_code(topic["error_code"])
        if error is NoError:
            found[topic["name"]] = topic
        elif error is not UnknownTopicOrPartitionError:
            raise error(topic["name"])
    return found


def _insisting(broker: str, ask: Callable[[], T]) -> T:
    """Asks again while the broker can't tell, as in the election of a leader."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except KafkaError as error:
            if not error.retriable or time.monotonic() >= give_up:
                raise BrokerUnavailable(
                    f"Kafka at {broker} does not tell of topics and groups ({error}); see that "
                    "it is well and that we may describe and read ours"
                ) from None
        time.sleep(PAUSE_SECONDS)


def _described(name: str, found: dict[str, Any] | None) -> Described:
    if found is None:
        return Described(name, name, 0, exists=False)
    topic_id = found.get("topic_id")
    known = bool(topic_id) and UUID(str(topic_id)).int != 0
    return Described(name, str(topic_id) if known else name, len(found["partitions"]), exists=True)


def create_topics(settings: Settings, configs: Mapping[str, str] | None = None) -> list[str]:
    """Creates whichever of our topics are missing, with these settings of Kafka's before our own;
    returns their names. Raises BrokerUnavailable."""
    there = describe(settings.broker, (settings.topic(t.name) for t in TOPICS))
    missing = [t for t in TOPICS if not there[settings.topic(t.name)].exists]
    with administrator(settings.broker) as admin:
        for topic in missing:
            _create(admin, settings, topic, configs or {})
    return [settings.topic(topic.name) for topic in missing]


def _create(
    admin: KafkaAdminClient, settings: Settings, topic: Topic, configs: Mapping[str, str]
) -> None:
    new = NewTopic(
        settings.topic(topic.name),
        settings.partitions,
        settings.replication_factor,
        topic_configs={"cleanup.policy": topic.clean_up, **configs},
    )
    try:
        admin.create_topics([new])
    except TopicAlreadyExistsError:
        pass
    except KafkaError as error:
        raise BrokerUnavailable(f"could not create topic {new.name}: {error}") from None


def committed(broker: str, group: str) -> dict[tuple[str, int], int]:
    """The offsets that a group has committed, by topic and partition. Raises BrokerUnavailable."""
    with administrator(broker) as admin:
        found: Any = _insisting(broker, lambda: admin.list_group_offsets({group: None}))
    offsets = (found.get(group) or {}).items()
    return {(at.topic, at.partition): told.offset for at, told in offsets if told.offset >= 0}


async def log_ends(
    broker: str, partitions: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """The offset after the last record of each partition that may be read, as a fetch reports it:
    before the first transaction that is open.

    The broker's own list of end offsets is not enough: Tansu lists where the last batch of records
    begins. Raises BrokerUnavailable.
    """
    places = list(partitions)
    ends = await known_log_ends(broker, places, ENDS_TIMEOUT_SECONDS)
    if missing := [f"{topic}/{number}" for topic, number in places if (topic, number) not in ends]:
        some = ", ".join(missing[:3])
        raise BrokerUnavailable(f"Kafka at {broker} does not tell the last offset of {some}")
    return ends


async def known_log_ends(
    broker: str, partitions: Iterable[tuple[str, int]], seconds: float
) -> dict[tuple[str, int], int]:
    """The same of those partitions whose leaders tell within these seconds. Raises BrokerUnavailable
    where nobody answers at all."""
    places = [TopicPartition(*place) for place in partitions]
    if not places:
        return {}
    # Whoever takes connections and does not answer must leave the others some of the time.
    request_timeout_ms = int(1000 * seconds / (1 + len(broker.split(","))))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker,
        fetch_max_wait_ms=20,
        request_timeout_ms=request_timeout_ms,
        isolation_level=ISOLATION_LEVEL,
    )
    starting = asyncio.create_task(consumer.start())
    ends: dict[tuple[str, int], int] = {}
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.shield(starting)
                consumer.assign(places)
                await _take_ends(consumer, set(places), ends)
    except AioKafkaError as error:
        raise BrokerUnavailable(f"Kafka at {broker} does not answer ({error!r})") from None
    finally:
        await _stop(consumer, starting)
    return ends


async def _take_ends(
    consumer: AIOKafkaConsumer, left: set[TopicPartition], ends: dict[tuple[str, int], int]
) -> None:
    """Fetches from where partitions are said to end, and notes of each what its leader answers."""
    while left:
        await consumer.getmany(timeout_ms=20)
        for place in [p for p in left if consumer.last_stable_offset(p) is not None]:
            end = max(await consumer.position(place), consumer.last_stable_offset(place))
            ends[place.topic, place.partition] = end
            left.discard(place)


async def _stop(consumer: AIOKafkaConsumer, starting: asyncio.Task[None]) -> None:
    """A start that is cancelled leaves open the connection that it was making: it is let come to its
    end. And aiokafka lets the end of a fetch that it has cancelled itself through to whoever stops
    it, and leaves its client open then."""
    await asyncio.wait([starting])
    with suppress(AioKafkaError, asyncio.CancelledError):
        starting.result()
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
