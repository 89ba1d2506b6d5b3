"""The encoder as a process between topics: texts in, encodings out; and with a worker, how long a new
item waits for the first score that knows its description, while reviews keep the encoder busy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
from msgspec import structs

from streamer.bench.listening import More, reading
from streamer.bench.workplace import environment
from streamer.broker import create_topics
from streamer.events import NewItem, Text
from streamer.outputs import Outputs
from streamer.publish import Publisher
from streamer.replay.producing import producing
from streamer.settings import Settings
from streamer.supervisor import Supervisor
from streamer.topology import ENCODINGS, ITEM_SCORES, NEW_ITEMS, TOPICS
from streamer.wire import pack

START_SECONDS = 120.0
LIMIT_SECONDS = 300.0
CHUNK_RECORDS = 500
"""Of the encoder: its answers come out chunk by chunk."""


class _Score(msgspec.Struct):
    item_id: str
    contributions: dict[str, float]


_decode = msgspec.msgpack.Decoder(_Score).decode


async def rate(settings: Settings, texts: Sequence[Text], folder: Path) -> float:
    """Texts a second of one encoder process, from when they are sent to its last answer. The first
    quarter goes ahead, uncounted: broker and encoder are warm then, as they are in a shop."""
    settings = own(settings, "rate")
    create_topics(settings)
    ahead = len(texts) // 4
    async with (
        producing(settings) as producer,
        reading(settings, ENCODINGS) as answers,
        running(settings, folder, "encoder"),
    ):
        outputs = Outputs(Publisher(producer), settings)
        await _answered(outputs, answers, texts[:ahead])
        started = time.perf_counter()
        await _answered(outputs, answers, texts[ahead:])
        return (len(texts) - ahead) / (time.perf_counter() - started)


async def _answered(outputs: Outputs, answers: More, texts: Sequence[Text]) -> None:
    await outputs.texts(texts)
    seen = 0
    async with asyncio.timeout(LIMIT_SECONDS):
        while seen < len(texts):
            seen += len(await answers())


def repeated(texts: Sequence[Text], least: int) -> list[Text]:
    """At least so many texts, none twice: what was read before would come out of the cache."""
    rounds = -(-least // len(texts))
    return [
        structs.replace(text, text_id=f"{text.text_id}-{again}", text=f"{text.text} {again}")
        for again in range(rounds)
        for text in texts
    ]


async def first_scores(
    settings: Settings,
    items: Sequence[NewItem],
    reviews: Sequence[Text],
    per_second: float,
    folder: Path,
) -> list[float]:
    """Milliseconds from when each new item was sent to its first score that knows its description,
    while ``reviews`` wait for the encoder."""
    settings = own(settings, "first")
    create_topics(settings)
    async with producing(settings) as producer:
        publisher = Publisher(producer)
        outputs = Outputs(publisher, settings)
        async with (
            reading(settings, ITEM_SCORES) as scores,
            running(settings, folder, "worker", "encoder"),
        ):
            await outputs.texts(reviews)
            await asyncio.sleep(2.0)
            sent: dict[str, float] = {}
            sending = asyncio.create_task(_send(publisher, settings, items, per_second, sent))
            heard = await _first_known(scores, len(items))
            await sending
    return [1e3 * (heard[item.item_id] - sent[item.item_id]) for item in items]


async def _send(
    publisher: Publisher,
    settings: Settings,
    items: Sequence[NewItem],
    per_second: float,
    sent: dict[str, float],
) -> None:
    topic, started = settings.topic(NEW_ITEMS.name), time.perf_counter()
    for number, item in enumerate(items):
        due = started + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        sent[item.item_id] = due
        item.time = time.time()
        await publisher.publish(topic, [(item.item_id.encode(), pack(item))])


async def _first_known(scores: More, count: int) -> dict[str, float]:
    """When each item's content first contributed something else than that it is not there."""
    missing: dict[str, float] = {}
    known: dict[str, float] = {}
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(known) < count:
            values = await scores()
            now = time.perf_counter()
            for score in map(_decode, values):
                content = score.contributions["content"]
                if content != missing.setdefault(score.item_id, content):
                    known.setdefault(score.item_id, now)
    return known


def own(settings: Settings, name: str) -> Settings:
    names = {"group": f"bench-{name}", "partitions": 4}
    topics = {topic.name: f"bench-{name}-{topic.name}" for topic in TOPICS}
    update = {**names, "topic_names": topics, "chunk_max_records": CHUNK_RECORDS}
    return settings.model_copy(update=update)


@asynccontextmanager
async def running(settings: Settings, folder: Path, *roles: str) -> AsyncIterator[None]:
    """Processes of ours that read their partitions, while the block runs."""
    own = {
        "STREAMER_ENCODER": settings.encoder,
        "STREAMER_ENCODER_BACKEND": settings.encoder_backend,
        "STREAMER_MODEL_STORE": str(settings.model_store.resolve()),
        "STREAMER_CACHE": str(settings.cache),
        "STREAMER_CHUNK_MAX_RECORDS": str(settings.chunk_max_records),
    }
    with Supervisor(folder / settings.group) as supervisor:
        for role in roles:
            supervisor.start(role, [role], environment(settings) | own)
        await asyncio.to_thread(supervisor.wait_until_ready, START_SECONDS)
        yield


def quantiles(milliseconds: Sequence[float]) -> dict[str, float]:
    return {
        "p50": float(np.quantile(milliseconds, 0.5)),
        "p99": float(np.quantile(milliseconds, 0.99)),
    }
