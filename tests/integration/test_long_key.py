"""A bad record with a key too long for its dead letter is sent again with the whole of it."""

from __future__ import annotations

import asyncio

import numpy as np

from streamer import dead_letters
from streamer.chunk import Chunk
from streamer.errors import BadEvent
from streamer.settings import Settings
from streamer.topology import USER_BEHAVIOUR
from streamer.validity import Limits
from streamer.wire import bury
from tests.support.logs import read, write
from tests.support.processes import own_group

LIMITS = Limits(now=0.0, future_tolerance_seconds=0.0, max_text_chars=1, dead_letter_max_bytes=64)
KEY, VALUE = b"k" * 5000, b"not an event"


def test_the_whole_key_is_sent_again(broker_address: str, redis_url: str) -> None:
    settings = own_group(broker_address, redis_url)
    topic = settings.topic(USER_BEHAVIOUR.name)
    at = asyncio.run(write(settings, USER_BEHAVIOUR.name, [(KEY, VALUE)]))
    offsets = np.array([at])
    chunk = Chunk(topic, 0, topic, at, at + 1, offsets, offsets, [KEY], [VALUE])
    letter = bury(chunk, 0, BadEvent("undecodable", "words"), LIMITS)
    assert letter.key == KEY[:64]
    ((_, became),) = dead_letters.replay(settings, [letter])
    assert became == "sent again"
    assert keys(settings) == [KEY, KEY]


def keys(settings: Settings) -> list[bytes]:
    return [record.key for record in asyncio.run(read(settings, USER_BEHAVIOUR.name))]
