"""A topic that is not there when workers share out the partitions, and comes later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.broker import administrator, create_topics, describe
from streamer.events import Behaviour
from streamer.publish import Publisher
from streamer.replay.producing import producing
from streamer.topology import USER_BEHAVIOUR
from streamer.window import open_window
from streamer.wire import pack
from tests.faults.servers import KAFKA, NO_KAFKA, Kafka
from tests.support.processes import handled, own_group, running, wait_until

BOUGHT = pack(Behaviour(item_id="a", type="purchase", time=1_700_000_000.0, user_id="u"))


@pytest.fixture(params=["embedded", "kafka"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "embedded":
        yield request.getfixturevalue("broker_address")
        return
    if not KAFKA:
        pytest.skip(NO_KAFKA)
    kafka = Kafka(tmp_path / "kafka")
    yield kafka.address
    kafka.child.stop()


def test_a_topic_that_comes_later_is_read(address: str, redis_url: str, tmp_path: Path) -> None:
    """Left to itself aiokafka would look for it after five minutes, on Kafka."""
    settings = own_group(address, redis_url, idle_check_seconds=0.5, session_timeout_seconds=6.0)
    name = settings.topic(USER_BEHAVIOUR.name)
    with administrator(settings.broker) as admin:
        admin.delete_topics([name])
    wait_until(lambda: not describe(settings.broker, [name])[name].exists, "topic gone")

    async def shop() -> None:
        async with producing(settings) as producer, open_window(settings) as window:
            await Publisher(producer).publish(name, [(b"a", BOUGHT)])
            await handled(window, 1)

    with running(settings, tmp_path, "worker"):
        create_topics(settings)
        asyncio.run(shop())
