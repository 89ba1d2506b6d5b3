from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.embedded import broker, valkey
from tests.faults import asked
from tests.support.shop import Shop, open_shop

# A shell's background job ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    asked.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    asked.take(config)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    child, url = valkey(tmp_path_factory.mktemp("valkey"))
    yield url
    child.stop()


@pytest.fixture(scope="session")
def broker_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    child, address = broker(tmp_path_factory.mktemp("broker"))
    yield address
    child.stop()


@pytest.fixture(scope="session")
def shop(
    broker_address: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    with open_shop(broker_address, redis_url, tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return Path(__file__).parent / "data"
