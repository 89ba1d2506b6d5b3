"""What the input topics retain, as a source: a shop's own log where it lies already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streamer import wire
from streamer.broker import BOOTSTRAP_TIMEOUT_MS, describe
from streamer.errors import BadEvent, BrokerUnavailable, ConfigurationError
from streamer.replay.record import TimedRecord
from streamer.replay.sources.ordering import SortedRecords
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

QUIET_MS = 1000
"""A topic is read to its end when nothing more comes for this long."""
_READERS: tuple[tuple[Any, wire.Reader[Any]], ...] = (
    (NEW_ITEMS, wire.new_items),
    (USER_BEHAVIOUR, wire.behaviours),
)


class TopicSource:
    """`new-items` and `user-behaviour` as they are now, in order of event time; what can't be read
    is left out. Read once, at the beginning. Raises BrokerUnavailable, ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self.name = "the input topics"
        self.about = f"What {settings.broker} retains of new-items and user-behaviour."
        self.total = 0
        self.start_time, self.last_time = float("inf"), float("-inf")
        self._records = SortedRecords(self._read(settings))
        if not self.total:
            raise ConfigurationError(
                f"{settings.broker} retains nothing of new-items and behaviour"
            )

    def __iter__(self) -> Iterator[TimedRecord]:
        return iter(self._records)

    def _read(self, settings: Settings) -> Iterator[TimedRecord]:
        for topic, reader in _READERS:
            for record in _everything(settings, settings.topic(topic.name)):
                try:
                    event = reader.decode(record.value)
                except BadEvent:
                    continue
                self.total += 1
                self.start_time = min(self.start_time, event.time)
                self.last_time = max(self.last_time, event.time)
                yield TimedRecord(topic, record.key or b"", event, event.time, event.type)


def _everything(settings: Settings, topic: str) -> Iterator[Any]:
    partitions = describe(settings.broker, [topic])[topic].partitions
    if not partitions:
        return
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=settings.broker,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
        )
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(f"Kafka at {settings.broker} does not answer ({error})") from None
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        consumer.seek_to_beginning()
        while polled := consumer.poll(timeout_ms=QUIET_MS):
            for records in polled.values():
                yield from records
    finally:
        consumer.close()
