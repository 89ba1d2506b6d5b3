"""What a worker writes: scores, texts and dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from streamer import metrics
from streamer.chunk import Chunk
from streamer.events import DeadLetter, Encoding, Text
from streamer.judge import Judged
from streamer.publish import Publisher, Record
from streamer.scoring.predictor import STAGES
from streamer.settings import Settings
from streamer.topology import DEAD_LETTERS, ENCODINGS, ITEM_SCORES, TEXTS, Topic
from streamer.wire import pack

TOLD_ITEMS = 20_000
"""Items of which it is remembered what was told last."""
IN_FLIGHT_SECONDS = 600.0
"""No score is overtaken by a newer one for longer than this."""


class Outputs:
    """Publishes and counts. Every method returns once all records are acknowledged and raises
    BrokerUnavailable."""

    def __init__(
        self,
        publisher: Publisher,
        settings: Settings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._settings = settings
        self._monotonic = monotonic
        self._told: dict[str, _Told] = {}

    async def scores(self, judged: Judged) -> None:
        """Publishes the scores that are worth it (see ``score_min_change``), never an older version
        of an item behind a newer one."""
        worth = np.flatnonzero(self._worth(judged))
        await self._send(ITEM_SCORES, judged.messages(worth))
        counts = np.bincount(judged.scores.stage[worth], minlength=len(STAGES))
        for stage, count in zip(STAGES, counts.tolist(), strict=True):
            metrics.SCORES.labels(stage).inc(count)

    async def forgotten(self, item_ids: Sequence[str]) -> None:
        """Tombstones for items whose state expires; should one come again, its versions begin anew."""
        for item_id in item_ids:
            self._told.pop(item_id, None)
        await self._send(ITEM_SCORES, [(item_id.encode(), None) for item_id in item_ids])

    async def texts(self, texts: Sequence[Text]) -> None:
        """Descriptions and reviews go to partitions of their own, so that a new item never waits
        behind a backlog of reviews."""
        topic = self._settings.topic(TEXTS.name)
        for kind, within in (("description", _first_quarter), ("review", _the_rest)):
            records = [(_key(text), pack(text)) for text in texts if text.kind == kind]
            if records:
                await self._publisher.publish(topic, records, within=within)
                metrics.TEXTS.labels(kind).inc(len(records))

    async def encodings(self, encodings: Sequence[Encoding]) -> None:
        await self._send(ENCODINGS, [(_key(encoding), pack(encoding)) for encoding in encodings])

    async def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        records = [(f"{d.topic}/{d.partition}/{d.offset}".encode(), pack(d)) for d in letters]
        await self._send(DEAD_LETTERS, records)

    async def _send(self, topic: Topic, records: Sequence[Record]) -> None:
        if records:
            await self._publisher.publish(self._settings.topic(topic.name), records)

    def _worth(self, judged: Judged) -> np.ndarray:
        """Which scores are newer than what was told, and moved enough or waited long enough.

        Older than what was told a while ago is a score only of an item that expired and came again.
        """
        least, longest = self._settings.score_min_change, self._settings.score_max_interval_seconds
        always = not least and not longest
        worth = np.zeros(len(judged), bool)
        at = self._monotonic()
        rows = zip(
            judged.items.ids,
            judged.versions.tolist(),
            judged.scores.probability.tolist(),
            strict=True,
        )
        for place, (item_id, version, probability) in enumerate(rows):
            told = self._told.get(item_id, _NEVER)
            if version < told.version and at - told.at < IN_FLIGHT_SECONDS:
                continue
            moved = bool(least) and abs(probability - told.probability) >= least
            waited = bool(longest) and judged.time - told.time >= longest
            if always or moved or waited or told is _NEVER:
                worth[place] = True
                self._told[item_id] = _Told(version, probability, judged.time, at)
        while len(self._told) > TOLD_ITEMS:
            del self._told[next(iter(self._told))]
        return worth


class _Told(NamedTuple):
    version: float
    probability: float
    time: float
    at: float


_NEVER = _Told(-1.0, -1.0, -np.inf, -np.inf)


def _first_quarter(partitions: int) -> range:
    return range(-(-partitions // 4))


def _the_rest(partitions: int) -> range:
    return range(-(-partitions // 4), partitions) if partitions > 1 else range(1)


def _key(message: Struct) -> bytes:
    item_id: str = message.item_id  # type: ignore[attr-defined]
    return item_id.encode()


def observe_latency(chunk: Chunk) -> None:
    """Counts how long the chunk's events took from the broker to here."""
    if len(chunk):
        metrics.EVENT_TO_SCORE_SECONDS.observe_many(time.time() - chunk.timestamps_ms / 1000)
