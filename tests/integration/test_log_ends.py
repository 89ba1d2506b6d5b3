"""Where partitions end, while a broker is down that leads some of them."""

from __future__ import annotations

import asyncio

import pytest

from streamer import broker
from streamer.broker import known_log_ends, log_ends
from streamer.errors import BrokerUnavailable
from streamer.topology import USER_BEHAVIOUR
from tests.support.leaders import lose_leader
from tests.support.logs import write
from tests.support.processes import own_group


def test_ends_are_told_of_what_other_brokers_lead(
    broker_address: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = own_group(broker_address, redis_url)
    name = settings.topic(USER_BEHAVIOUR.name)
    asyncio.run(write(settings, USER_BEHAVIOUR.name, [(b"k", b"v")] * 3))
    both = [(name, 0), (name, 1)]
    assert asyncio.run(log_ends(broker_address, both)) == {(name, 0): 3, (name, 1): 0}

    lose_leader(monkeypatch, name, 1)
    assert asyncio.run(known_log_ends(broker_address, both, seconds=2.0)) == {(name, 0): 3}
    monkeypatch.setattr(broker, "ENDS_TIMEOUT_SECONDS", 1.0)
    with pytest.raises(BrokerUnavailable, match=f"last offset of {name}/1"):
        asyncio.run(log_ends(broker_address, both))
