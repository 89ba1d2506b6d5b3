"""A topic is read to the end that it had when reading began: no further, and no less."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

import pytest
from kafka import KafkaConsumer

from streamer import records
from streamer.errors import BrokerUnavailable
from streamer.records import everything
from streamer.settings import Settings
from streamer.topology import USER_BEHAVIOUR
from tests.support.logs import write
from tests.support.processes import own_group


@pytest.fixture
def settings(broker_address: str, redis_url: str) -> Settings:
    """A topic of which one partition has five records, the other three."""
    made = own_group(broker_address, redis_url)
    for partition, count in ((0, 5), (1, 3)):
        asyncio.run(write(made, USER_BEHAVIOUR.name, [(b"k", b"old")] * count, partition))
    return made


def read(settings: Settings) -> Any:
    return everything(settings.broker, settings.topic(USER_BEHAVIOUR.name))


def test_a_topic_that_is_written_to_meanwhile_ends(settings: Settings) -> None:
    found = []
    for record in islice(read(settings), 50):
        found.append(record.value)
        asyncio.run(write(settings, USER_BEHAVIOUR.name, [(b"k", b"new")]))
    assert found == [b"old"] * 8


def test_what_comes_after_a_silence_is_read_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll, polls = KafkaConsumer.poll, iter(range(100))

    def silent_at_first(self: Any, timeout_ms: int) -> Any:
        return {} if next(polls) < 2 else poll(self, timeout_ms=timeout_ms)

    monkeypatch.setattr(KafkaConsumer, "poll", silent_at_first)
    assert len(list(read(settings))) == 8


def test_an_end_without_a_record_is_passed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the last of a log is the mark of a transaction, or was compacted away."""
    poll = KafkaConsumer.poll

    def without_the_last(self: Any, timeout_ms: int) -> Any:
        polled = poll(self, timeout_ms=timeout_ms)
        kept = {
            at: [record for record in found if record.offset < 2] for at, found in polled.items()
        }
        return {at: found for at, found in kept.items() if found}

    monkeypatch.setattr(KafkaConsumer, "poll", without_the_last)
    assert len(list(read(settings))) == 4


def test_a_topic_that_stands_still_before_its_end_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(KafkaConsumer, "poll", lambda self, timeout_ms: {})
    with pytest.raises(BrokerUnavailable, match="read to offset 0 of"):
        list(read(settings))


def test_one_without_records_has_none(broker_address: str, redis_url: str) -> None:
    assert not list(read(own_group(broker_address, redis_url)))
    assert not list(everything(broker_address, "no-such-topic"))
