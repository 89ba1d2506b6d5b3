"""A topic's records, read to the end that it has now, by no group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streamer.broker import BOOTSTRAP_TIMEOUT_MS, describe
from streamer.errors import BrokerUnavailable

QUIET_MS = 1000
"""A topic is read to its end when nothing more comes for this long."""


@contextmanager
def reader(broker: str) -> Iterator[KafkaConsumer]:
    """A consumer that commits nothing. Raises BrokerUnavailable."""
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=broker,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
        )
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(
            f"Kafka at {broker} does not answer ({error}); start it or set STREAMER_BROKER"
        ) from None
    try:
        yield consumer
    finally:
        consumer.close()


def everything(broker: str, topic: str) -> Iterator[Any]:
    """Every record of a topic, none if it does not exist. Raises BrokerUnavailable."""
    with reader(broker) as consumer:
        partitions = describe(broker, [topic])[topic].partitions
        if not partitions:
            return
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        consumer.seek_to_beginning()
        while polled := consumer.poll(timeout_ms=QUIET_MS):
            for records in polled.values():
                yield from records
