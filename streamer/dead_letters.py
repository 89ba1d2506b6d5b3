"""Dead letters: read, shown, and sent again after a fix.

A letter that was sent again gets a tombstone under its key, so that it is listed no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from streamer.errors import BrokerUnavailable, ConfigurationError
from streamer.events import DeadLetter
from streamer.records import POLL_MS, everything, reader
from streamer.settings import Settings
from streamer.topology import DEAD_LETTERS

_read = msgspec.msgpack.Decoder(DeadLetter).decode
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
    """The letters that were not sent again, oldest first; what somebody else wrote there and is no
    letter is left out. Raises BrokerUnavailable."""
    letters: dict[bytes, DeadLetter] = {}
    for record in everything(settings.broker, settings.topic(DEAD_LETTERS.name)):
        if record.value is None:
            letters.pop(record.key, None)
            continue
        with suppress(msgspec.DecodeError):
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
    with reader(settings.broker) as consumer:
        place = TopicPartition(letter.topic, letter.partition)
        consumer.assign([place])
        consumer.seek(place, letter.offset)
        for records in consumer.poll(timeout_ms=10 * POLL_MS).values():
            for record in records:
                if record.offset == letter.offset:
                    return record.key, record.value
    return None
