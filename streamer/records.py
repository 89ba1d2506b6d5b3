"""A topic's records, read to the end that it has now, by no group."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streamer.broker import BOOTSTRAP_TIMEOUT_MS, ISOLATION_LEVEL, describe, log_ends
from streamer.errors import BrokerUnavailable

POLL_MS = 1000
SILENCE_SECONDS = 30.0
"""A topic that does not come on for so long, short of its end, is given up."""


@contextmanager
def reader(broker: str) -> Iterator[KafkaConsumer]:
    """A consumer that commits nothing. Raises BrokerUnavailable."""
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=broker,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            isolation_level=ISOLATION_LEVEL,
        )
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(
            f"Kafka at {broker} does not answer ({error}); start it or set STREAMER_BROKER"
        ) from None
    try:
        yield consumer
    finally:
        consumer.close()


def log_starts(broker: str, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The first offset that each partition retains. Raises BrokerUnavailable."""
    with reader(broker) as consumer:
        try:
            found = consumer.beginning_offsets([TopicPartition(*place) for place in partitions])
        except KafkaError as error:
            raise BrokerUnavailable(
                f"Kafka at {broker} does not tell where topics begin ({error!r})"
            ) from None
    return {(at.topic, at.partition): offset for at, offset in found.items()}


def everything(broker: str, topic: str) -> Iterator[Any]:
    """Every record that a topic has now, none if it does not exist; what comes meanwhile is left
    out. Raises BrokerUnavailable, also where the topic can't be read to that end."""
    numbers = range(describe(broker, [topic])[topic].partitions)
    ends = asyncio.run(log_ends(broker, [(topic, number) for number in numbers]))
    if not ends:
        return
    with reader(broker) as consumer:
        try:
            yield from _until(consumer, {TopicPartition(*at): end for at, end in ends.items()})
        except KafkaError as error:
            raise BrokerUnavailable(f"{topic} at {broker} can't be read: {error!r}") from None


def _until(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> Iterator[Any]:
    """The records before these ends. A position may pass its end without a record: what ends a log
    may be the mark of a transaction, or compacted away."""
    consumer.assign(list(ends))
    consumer.seek_to_beginning()
    before, moved = dict[Any, int | None](), time.monotonic()
    while now := _short(consumer, ends):
        if now != before:
            before, moved = now, time.monotonic()
        elif time.monotonic() - moved > SILENCE_SECONDS:
            raise _silent(now, ends)
        for place, records in consumer.poll(timeout_ms=POLL_MS).items():
            yield from (record for record in records if record.offset < ends[place])


def _short(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> dict[Any, int | None]:
    """Where partitions stand that are short of their ends; the others are read no further."""
    short = {}
    for place in set(ends) - consumer.paused():
        position = consumer.position(place, timeout_ms=POLL_MS)
        if position is not None and position >= ends[place]:
            consumer.pause(place)
        else:
            short[place] = position
    return short


def _silent(now: Mapping[Any, int | None], ends: Mapping[TopicPartition, int]) -> BrokerUnavailable:
    place, position = next(iter(now.items()))
    return BrokerUnavailable(
        f"{place.topic}/{place.partition} was read to offset {position or 0:,} of {ends[place]:,}, and "
        f"nothing more came for {SILENCE_SECONDS:.0f} s; see that its broker is well and try again"
    )
