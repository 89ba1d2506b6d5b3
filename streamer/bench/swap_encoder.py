"""Claim: what reads the reviews is changed in the middle of a replay, with no text lost, none read by
a mix of two models, and nobody kept waiting.

Real reviews flow at a steady rate through a worker and an encoder, while the sentiment in use and
another one, which also changes the encoder, take turns. A reader of `encodings` notes when each
review's comes. In the end each is set beside what the model that its fingerprint names makes of the
text, and beside what the other one makes of it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from streamer.bench.listening import listening
from streamer.bench.readings import change, compared, taking_turns
from streamer.bench.servers import servers
from streamer.bench.swap import (
    AROUND_SECONDS,
    TICK_SECONDS,
    WARM_SECONDS,
    Plan,
    silence,
    until,
)
from streamer.bench.through_kafka import own, running
from streamer.bench.workplace import RETENTION_DAYS
from streamer.broker import create_topics
from streamer.encoding import sentiment
from streamer.encoding.weights import Weights, resolve
from streamer.errors import StreamerError
from streamer.events import Behaviour, Encoding
from streamer.intake import review_text
from streamer.publish import Publisher
from streamer.replay.producing import producing
from streamer.replay.sources.clothing import YEAR_END, YEAR_START, ClothingReviews
from streamer.report import Results
from streamer.settings import Settings
from streamer.topology import ENCODINGS

Say = Callable[[str], None]

_decode = msgspec.msgpack.Decoder(Encoding).decode


@dataclass
class Played:
    """What was sent: each review's text by its id, and when."""

    texts: dict[str, str] = field(default_factory=dict)
    sent: dict[str, float] = field(default_factory=dict)


@dataclass
class Heard:
    """When encodings of reviews were read, and the first of each."""

    at: list[float] = field(default_factory=list)
    when: dict[str, float] = field(default_factory=dict)
    found: dict[str, Encoding] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)

    def take(self, values: Iterable[bytes]) -> None:
        now = time.perf_counter()
        for encoding in map(_decode, values):
            if encoding.kind == "review":
                self.at.append(now)
                self.when.setdefault(encoding.text_id, now)
                self.found.setdefault(encoding.text_id, encoding)
                self.first.setdefault(encoding.fingerprint, now)


@dataclass(frozen=True, slots=True)
class Swap:
    """Seconds from a change to the first review read by the other model; the longest silence from
    the change until after that, and in as long a time before it."""

    noticed: float
    silence: float
    silence_before: float


def run(settings: Settings, plan: Plan, say: Say) -> Results:
    """Changes the sentiment as often as told. Raises DependencyMissing, StreamerError."""
    results = Results("bench swap-encoder", {"encoder": settings.encoder, **asdict(plan)})
    weights = resolve(settings.encoder, settings.cache_folder)
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as name:
        folder = Path(name)
        store = taking_turns(folder / "models", settings.model_store, weights)
        with servers(folder, None) as (address, redis):
            update = {"broker": address, "redis": redis, "redis_cluster": False}
            update |= {"item_retention_days": RETENTION_DAYS, "model_store": store}
            mine = own(settings.model_copy(update=update), "swap-encoder")
            played, heard, swaps = asyncio.run(_measure(mine, plan, weights, folder, say))
        _told(results, played, heard, swaps, say)
        compared(results, mine, weights, played.texts, heard.found, say)
    return results


async def _measure(
    settings: Settings, plan: Plan, weights: Weights, folder: Path, say: Say
) -> tuple[Played, Heard, list[Swap]]:
    create_topics(settings)
    heard, played, stop = Heard(), Played(), asyncio.Event()
    async with (
        listening(settings, ENCODINGS, heard.take),
        running(settings, folder, "worker", "encoder"),
    ):
        playing = asyncio.create_task(_play(settings, plan.rate, played, stop))
        await until(lambda: bool(heard.at))
        await asyncio.sleep(WARM_SECONDS)
        swaps = [await _swap(settings, weights, heard, plan, say) for _ in range(plan.swaps)]
        stop.set()
        await playing
        with suppress(StreamerError):
            await until(lambda: heard.found.keys() >= played.texts.keys())
    return played, heard, swaps


async def _swap(settings: Settings, weights: Weights, heard: Heard, plan: Plan, say: Say) -> Swap:
    """One change: to the other, or back."""
    await asyncio.sleep(plan.pause_seconds)
    heard.first.clear()
    started = time.perf_counter()
    done = change(settings.model_store, weights)
    reader = sentiment.load(settings.model_store / done.to).fingerprint
    noticed = await until(lambda: heard.first.get(reader, 0.0) > started) - started
    await asyncio.sleep(AROUND_SECONDS)
    ended = time.perf_counter()
    before = silence(heard.at, max(heard.at[0], 2 * started - ended), started)
    swap = Swap(noticed, silence(heard.at, started, ended), before)
    say(
        f"{done.action}: first review by the other model after {noticed:.2f} s, longest silence "
        f"{swap.silence:.3f} s ({swap.silence_before:.3f} s before)"
    )
    return swap


async def _play(settings: Settings, rate: float, played: Played, stop: asyncio.Event) -> None:
    """Sends garments and reviews in order of time, at the rate, until told to stop."""
    records = list(ClothingReviews(YEAR_START, YEAR_END))
    async with producing(settings) as producer:
        publisher, started, at = Publisher(producer), time.perf_counter(), 0
        while not stop.is_set() and at < len(records):
            now = time.perf_counter()
            some = records[at : int((now - started) * rate)]
            for record in some:
                event = record.value
                if isinstance(event, Behaviour) and event.type == "review" and event.event_id:
                    played.texts[event.event_id] = review_text(event, event.event_id).text
                    played.sent[event.event_id] = now
                topic = settings.topic(record.topic.name)
                await publisher.publish(topic, [(record.key, record.encoded())])
            at += len(some)
            await asyncio.sleep(TICK_SECONDS)


def _told(results: Results, played: Played, heard: Heard, swaps: list[Swap], say: Say) -> None:
    waits = [heard.when[name] - sent for name, sent in played.sent.items() if name in heard.when]
    results.add("swap_encoder.noticed_seconds_max", max(s.noticed for s in swaps), "s")
    results.add(
        "swap_encoder.longest_silence_seconds",
        max(s.silence for s in swaps),
        "s",
        peer="without_a_swap",
        peer_value=max(s.silence_before for s in swaps),
    )
    results.add("swap_encoder.longest_wait_seconds", max(waits), "s")
    results.add("swap_encoder.wait_p50_seconds", float(np.median(waits)), "s")
    results.add("swap_encoder.texts", len(played.texts), "texts")
    results.add("swap_encoder.texts_lost", len(played.texts) - len(waits), "texts")
    results.add("swap_encoder.texts_repeated", len(heard.at) - len(heard.found), "texts")
    for row in results.rows:
        say(f"{row['name']:<40} {row['value']:>10,.3f} {row['unit']}")
