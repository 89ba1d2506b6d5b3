"""Bringing a group to rest, so that two runs can be compared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from kafka import TopicPartition
from kafka.errors import KafkaError

from streamer.assess import Assessor
from streamer.broker import administrator, log_ends
from streamer.clock import StreamClock
from streamer.judge import Judge
from streamer.publish import Publisher
from streamer.ranking import Ranker
from streamer.registry import active
from streamer.replay.producing import producing
from streamer.rescore import rescore_everything
from streamer.settings import Settings
from streamer.state.boards import Boards
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.state.store import Store
from streamer.topology import BOARD_CHANGES, ENCODINGS, NEW_ITEMS, USER_BEHAVIOUR, Topic

READ = (NEW_ITEMS, USER_BEHAVIOUR, ENCODINGS, BOARD_CHANGES)
"""What a worker reads."""


async def behind(settings: Settings, topics: Sequence[Topic] = READ) -> dict[TopicPartition, int]:
    """How many records of each partition are not committed by who reads it."""
    places = [
        TopicPartition(settings.topic(topic.name), number)
        for topic in topics
        for number in range(settings.partitions)
    ]
    ends = await log_ends(settings.broker, places)
    groups = [settings.group, settings.encoder_group]
    committed = await asyncio.to_thread(_committed, settings.broker, groups)
    lag = {place: ends[place] - committed.get(place, 0) for place in places}
    return {place: records for place, records in lag.items() if records}


def _committed(broker: str, groups: Sequence[str]) -> dict[TopicPartition, int]:
    with administrator(broker) as admin:
        try:
            asked: dict[str, Any] = dict.fromkeys(groups)
            told: Any = admin.list_group_offsets(asked)
        except KafkaError as error:
            if not error.retriable:
                raise
            return {}  # a new broker has no coordinator yet
    found = [place for group in groups for place in (told.get(group) or {}).items()]
    return {place: max(0, committed.offset) for place, committed in found}


async def settle(settings: Settings) -> None:
    """What `streamer rescore` does, and then decides every board, as of the last event.

    No worker may run: its stream time goes on by the wall clock.
    """
    keys = Keys(settings.group, settings.shards)
    await rescore_everything(settings, lambda done: None)
    async with connected(settings) as client, producing(settings) as producer:
        store = Store(client, keys, settings.user_retention_seconds)
        clock = StreamClock(monotonic=lambda: 0.0)
        judge = Judge(active(settings.model_store))
        assess = Assessor(store, judge, clock, settings.item_cache_max_bytes)
        await assess.learn_time()
        boards = Boards(client, keys)
        worker = SimpleNamespace(
            settings=settings, boards=boards, assess=assess, publisher=Publisher(producer)
        )
        ranker = Ranker(cast(Any, worker))
        for board in await boards.names():
            await ranker.decide(board)
