"""Which topics there are, as a broker tells that is not always well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    NoError,
    TopicAuthorizationFailedError,
    UnknownError,
    UnknownTopicOrPartitionError,
)

from streamer import broker
from streamer.broker import describe
from streamer.errors import BrokerUnavailable

TOPIC_ID = "8f4c3a52-7d2e-4b0c-9d53-0c1f6f1a2b3c"

Error = type[KafkaError]


class UnwellBroker:
    """Fails with each of the errors in turn, of its topic or altogether, and is well then."""

    def __init__(self, *errors: Error | KafkaError) -> None:
        self.errors = list(errors)

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        error = self.errors.pop(0) if self.errors else NoError
        if isinstance(error, KafkaError):
            raise error
        told = {"error_code": error.errno, "topic_id": TOPIC_ID, "partitions": [{}, {}]}
        return [{"name": name, **told} for name in names]


@pytest.fixture
def unwell(monkeypatch: pytest.MonkeyPatch) -> UnwellBroker:
    found = UnwellBroker()

    @contextmanager
    def administrator(_: str) -> Iterator[UnwellBroker]:
        yield found

    monkeypatch.setattr(broker, "administrator", administrator)
    monkeypatch.setattr(broker, "PAUSE_SECONDS", 1e-3)
    return found


def test_only_an_unknown_topic_is_absent(unwell: UnwellBroker) -> None:
    unwell.errors = [UnknownTopicOrPartitionError]
    assert not describe("kafka", ["a"])["a"].exists


@pytest.mark.parametrize("error", [LeaderNotAvailableError, KafkaTimeoutError("request")])
def test_a_broker_that_can_not_tell_just_now_is_asked_again(
    unwell: UnwellBroker, error: Error | KafkaError
) -> None:
    unwell.errors = [error, error]
    (found,) = describe("kafka", ["a"]).values()
    assert (found.exists, found.log, found.partitions) == (True, TOPIC_ID, 2)


def test_patience_with_it_ends(unwell: UnwellBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "PATIENCE_SECONDS", 0.02)
    unwell.errors = [LeaderNotAvailableError] * 1000
    with pytest.raises(BrokerUnavailable, match="LeaderNotAvailableError: a"):
        describe("kafka", ["a"])


@pytest.mark.parametrize("error", [TopicAuthorizationFailedError, UnknownError])
def test_what_asking_again_does_not_mend_is_said_in_a_line(
    unwell: UnwellBroker, error: Error
) -> None:
    unwell.errors = [error]
    with pytest.raises(BrokerUnavailable, match=f"{error.__name__}: a") as raised:
        describe("kafka", ["a"])
    assert "\n" not in str(raised.value)
