"""Dead letters: read, shown, and sent again after a fix.

A letter that was sent again gets a tombstone under its key, so that it is listed no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from streamer.broker import BOOTSTRAP_TIMEOUT_MS, describe
from streamer.errors import BrokerUnavailable, ConfigurationError
from streamer.events import DeadLetter
from streamer.settings import Settings
from streamer.topology import DEAD_LETTERS

_read = msgspec.msgpack.Decoder(DeadLetter).decode
QUIET_MS = 1000
"""A partition is read to its end when nothing more comes for this long."""
MAX_RECORD_BYTES = 2**30
"""What came through the broker once may go through it again: it sets the limit."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record came from; written ``topic/partition/offset``."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises ConfigurationError."""
        topic, _, rest = text.partition("/")
        partition, _, offset = rest.partition("/")
        if not (topic and partition.isdecimal() and offset.isdecimal()):
            raise ConfigurationError(f"{text!r} is not a dead letter: give TOPIC/PARTITION/OFFSET")
        return cls(topic, int(partition), int(offset))

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def place_of(letter: DeadLetter) -> Place:
    return Place(letter.topic, letter.partition, letter.offset)


def waiting(settings: Settings) -> list[DeadLetter]:
    """The letters that were not sent again, oldest first. Raises BrokerUnavailable."""
    letters: dict[bytes, DeadLetter] = {}
    with _consumer(settings) as consumer:
        for record in _everything(consumer, settings):
            if record.value is None:
                letters.pop(record.key, None)
            else:
                letters[record.key] = _read(record.value)
    return sorted(letters.values(), key=lambda letter: letter.time)


def replay(settings: Settings, letters: Iterable[DeadLetter]) -> Iterator[tuple[DeadLetter, str]]:
    """Sends letters to their topics again, whole. Yields each with what became of it.

    Raises BrokerUnavailable.
    """
    producer = KafkaProducer(
        bootstrap_servers=settings.broker, acks="all", max_request_size=MAX_RECORD_BYTES
    )
    try:
        for letter in letters:
            yield letter, _send_again(settings, producer, letter)
    except KafkaError as error:
        raise BrokerUnavailable(f"could not send a dead letter again: {error!r}") from None
    finally:
        producer.close()


def _send_again(settings: Settings, producer: KafkaProducer, letter: DeadLetter) -> str:
    whole = _whole(settings, letter) if letter.truncated else (letter.key, letter.value)
    if whole is None:
        return "lost: only its beginning was kept, and its topic does not retain it any more"
    key, value = whole
    producer.send(letter.topic, key=key, value=value).get(timeout=30)
    topic = settings.topic(DEAD_LETTERS.name)
    producer.send(topic, key=str(place_of(letter)).encode(), value=None).get(timeout=30)
    return "sent again"


def _whole(settings: Settings, letter: DeadLetter) -> tuple[bytes | None, bytes | None] | None:
    """Key and value of the record as it still is in its topic, or None."""
    with _consumer(settings) as consumer:
        place = TopicPartition(letter.topic, letter.partition)
        consumer.assign([place])
        consumer.seek(place, letter.offset)
        for records in consumer.poll(timeout_ms=10 * QUIET_MS).values():
            for record in records:
                if record.offset == letter.offset:
                    return record.key, record.value
    return None


@contextmanager
def _consumer(settings: Settings) -> Iterator[KafkaConsumer]:
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=settings.broker,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
        )
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(
            f"Kafka at {settings.broker} does not answer ({error}); start it or set STREAMER_BROKER"
        ) from None
    try:
        yield consumer
    finally:
        consumer.close()


def _everything(consumer: KafkaConsumer, settings: Settings) -> Iterator[Any]:
    topic = settings.topic(DEAD_LETTERS.name)
    partitions = describe(settings.broker, [topic])[topic].partitions
    if not partitions:
        return
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    consumer.seek_to_beginning()
    while polled := consumer.poll(timeout_ms=QUIET_MS):
        for records in polled.values():
            yield from records
