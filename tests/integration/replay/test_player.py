"""A replay through a real broker."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streamer.embedded import free_port
from streamer.errors import BrokerUnavailable, Stalled
from streamer.events import Behaviour, NewItem
from streamer.replay.player import Pace, Player
from streamer.replay.progress import Progress
from streamer.replay.record import TimedRecord
from streamer.replay.sources.complete_journey import CompleteJourney
from streamer.settings import Settings
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from tests.unit.replay.records import Listed, purchase

PARTITIONS = 3
_runs = count()


@pytest.fixture
def settings(broker_address: str) -> Settings:
    run = next(_runs)
    names = {topic.name: f"{topic.name}-{run}" for topic in (NEW_ITEMS, USER_BEHAVIOUR)}
    return Settings(broker=broker_address, topic_names=names)


async def create_topics(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(settings.topic(t.name), PARTITIONS, 1) for t in (NEW_ITEMS, USER_BEHAVIOUR)]
        )
    finally:
        await admin.close()


async def consume(settings: Settings, topic: str) -> list[Any]:
    """Everything on a topic, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic(topic), p) for p in range(PARTITIONS)]
        consumer.assign(places)
        left = {p: end for p, end in (await consumer.end_offsets(places)).items() if end}
        found: list[Any] = []
        while left:
            for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                found += records
                if records[-1].offset + 1 >= left[place]:
                    del left[place]
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            await scenario()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, others

    asyncio.run(main())


def shop(events: int) -> list[TimedRecord]:
    return [purchase(f"item-{n % 17}", 1.0 + n, f"event-{n}") for n in range(events)]


def test_everything_arrives_and_each_item_stays_in_order(settings: Settings) -> None:
    source = CompleteJourney(92, 92)
    expected = [(record.topic.name, record.key, record.encoded()) for record in source]

    async def scenario() -> None:
        await create_topics(settings)
        sent = await Player(source, settings).play()
        assert sent.records == source.total
        assert sent.by_kind == Counter(record.kind for record in source)
        for topic in (NEW_ITEMS, USER_BEHAVIOUR):
            found = await consume(settings, topic.name)
            assert len(found) == sent.by_topic[topic.name]
            theirs = by_key((key, value) for name, key, value in expected if name == topic.name)
            assert by_key((r.key, r.value) for r in found) == theirs
            decode = msgspec.msgpack.Decoder(topic.type).decode
            events = [decode(record.value) for record in found]
            assert all(isinstance(event, Behaviour | NewItem) for event in events)
            assert [e.item_id.encode() for e in events] == [r.key for r in found]  # type: ignore[attr-defined]

    run(scenario)


def by_key(records: Any) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for key, value in records:
        found.setdefault(key, []).append(value)
    return found


def test_the_lead_over_the_workers_is_bounded(settings: Settings) -> None:
    source, max_lead = Listed(shop(5000)), 300
    processed, leads = 0, []

    async def workers() -> int:
        nonlocal processed
        leads.append(player.sent.records - processed)
        processed = min(processed + 70, player.sent.records)
        return processed

    player = Player(source, settings, Pace(max_lead=max_lead, processed=workers))

    async def scenario() -> None:
        await create_topics(settings)
        sent = await player.play()
        assert sent.records == 5000
        assert len(await consume(settings, USER_BEHAVIOUR.name)) == 5000

    run(scenario)
    assert len(leads) > 50
    assert max(leads) <= max_lead
    assert max(leads) > max_lead / 2


def test_a_replay_whose_workers_stand_still_ends_with_a_reason(settings: Settings) -> None:
    async def nobody() -> int:
        return 0

    pace = Pace(max_lead=100, processed=nobody, patience_seconds=0.2)
    player = Player(Listed(shop(1000)), settings, pace)

    async def scenario() -> None:
        await create_topics(settings)
        with pytest.raises(Stalled, match="100 records wait"):
            await player.play()
        assert len(await consume(settings, USER_BEHAVIOUR.name)) == 100

    run(scenario)


def test_a_cancelled_replay_stops_and_has_counted_what_it_sent(settings: Settings) -> None:
    under_way = asyncio.Event()
    player = Player(
        Listed(shop(200_000)),
        settings,
        report=lambda progress: under_way.set() if progress.sent >= 5000 else None,
    )

    async def scenario() -> None:
        await create_topics(settings)
        playing = asyncio.create_task(player.play())
        await under_way.wait()
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing
        assert 5000 <= player.sent.records < 200_000
        found = await consume(settings, USER_BEHAVIOUR.name)
        assert len(found) == player.sent.records

    run(scenario)


def test_a_paced_replay_keeps_its_schedule(settings: Settings) -> None:
    """60 event seconds at 100 a second, after history that goes ahead."""
    history, events = shop(500), [purchase("new", 1000.0 + n, f"late-{n}") for n in range(60)]
    source = Listed(history + events, start_time=1000.0)
    seen: list[tuple[float, Progress]] = []
    player = Player(
        source,
        settings,
        Pace(speed=100.0),
        lambda progress: seen.append((time.monotonic(), progress)),
    )

    async def scenario() -> None:
        await create_topics(settings)
        await player.play()
        found = await consume(settings, USER_BEHAVIOUR.name)
        assert len(found) == 560
        written = [r.timestamp for r in found if r.key == b"new"]
        assert written == sorted(written)
        assert written[-1] - written[0] >= 500

    run(scenario)
    assert seen[-1][1].fraction == 1.0
    assert seen[-1][1].time == 1059.0


def test_progress_is_reported_and_ends_complete(settings: Settings) -> None:
    seen: list[Progress] = []

    async def all_done() -> int:
        return player.sent.records

    player = Player(Listed(shop(20_000)), settings, Pace(processed=all_done), seen.append)

    async def scenario() -> None:
        await create_topics(settings)
        await player.play()

    run(scenario)
    assert [p.sent for p in seen] == sorted(p.sent for p in seen)
    last = seen[-1]
    assert (last.sent, last.total, last.fraction) == (20_000, 20_000, 1.0)
    assert last.by_kind == {"purchase": 20_000}
    assert last.events_per_second > 0


def test_large_records_are_left_out_and_counted(settings: Settings) -> None:
    records = [purchase("a", 1.0), purchase("b" * 500, 2.0), purchase("c", 3.0)]

    async def scenario() -> None:
        await create_topics(settings)
        sent = await Player(Listed(records), settings, max_record_bytes=600).play()
        assert (sent.records, sent.too_large) == (2, 1)
        found = await consume(settings, USER_BEHAVIOUR.name)
        assert sorted(record.key for record in found) == [b"a", b"c"]

    run(scenario)


def test_without_a_broker_the_reason_is_one_line(unused_port: int) -> None:
    player = Player(Listed(shop(1)), Settings(broker=f"127.0.0.1:{unused_port}"))

    async def scenario() -> None:
        with pytest.raises(BrokerUnavailable, match=f"no Kafka at 127.0.0.1:{unused_port}"):
            await player.play()

    run(scenario)


@pytest.fixture
def unused_port() -> int:
    return free_port()


def test_an_empty_source_is_done_at_once(settings: Settings) -> None:
    nothing: Sequence[TimedRecord] = []

    async def scenario() -> None:
        await create_topics(settings)
        sent = await Player(Listed(nothing), settings).play()
        assert sent.records == 0

    run(scenario)
