"""Brokers, of either kind, and the count of the fault tests for the report: no differences mean
little where a test did not get so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streamer.embedded import broker
from tests.faults import results
from tests.faults.servers import KAFKA, NO_KAFKA, Kafka


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    if not KAFKA:
        pytest.skip(NO_KAFKA)
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    yield server
    server.child.stop()


@pytest.fixture(scope="module", params=["embedded", "kafka"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A broker of either kind."""
    if request.param == "kafka":
        yield request.getfixturevalue("kafka").address
        return
    child, found = broker(tmp_path_factory.mktemp("broker"))
    yield found
    child.stop()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        results.add("faults.tests", 1, "tests")
    results.add("faults.failed_tests", int(report.failed), "tests")
