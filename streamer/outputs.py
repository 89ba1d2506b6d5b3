"""What a worker writes: scores, texts and dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streamer import metrics
from streamer.chunk import Chunk
from streamer.events import DeadLetter, Encoding, Text
from streamer.judge import Judged
from streamer.publish import Publisher, Record
from streamer.scoring.predictor import STAGES
from streamer.settings import Settings
from streamer.state.layout import ITEM
from streamer.topology import DEAD_LETTERS, ENCODINGS, ITEM_SCORES, TEXTS, Topic
from streamer.wire import pack

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_FIRST_TIME = ITEM.index["first_time"]
COLD, _UNKNOWN = STAGES.index("cold"), -1

TOLD_ITEMS = 50_000
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
        self._told = _Told(TOLD_ITEMS)

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
            self._told.forget(item_id)
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

    def _worth(self, judged: Judged) -> Mask:
        """Which scores are newer than what was told, and moved enough or waited long enough.

        An item that expired and came again has a history that began after what was told, or is
        older than what was told a while ago.
        """
        told, versions, probability = self._told, judged.versions, judged.scores.probability
        places = told.places(judged.items.ids)
        at = self._monotonic()
        began = judged.items.x[:, _FIRST_TIME]
        again = np.isfinite(began) & (began > told.time[places])
        recent = at - told.at[places] < IN_FLIGHT_SECONDS
        overtaken = (versions < told.version[places]) & recent & ~again
        worth: Mask = self._moved(judged, places) & ~overtaken
        new = worth & (places == 0)
        if new.any():
            told.make_room([judged.items.ids[p] for p in np.flatnonzero(new).tolist()])
            places = told.places(judged.items.ids)
        kept = worth & (places > 0)
        rows = places[kept]
        self._watch_gap(rows, judged.scores.stage[kept], probability[kept])
        told.version[rows], told.probability[rows] = versions[kept], probability[kept]
        told.time[rows], told.at[rows] = judged.time, at
        return worth

    def _watch_gap(self, rows: Ints, stage: Ints, probability: Floats) -> None:
        told = self._told
        warmed = (told.stage[rows] == COLD) & (stage != COLD)
        if warmed.any():
            moved = np.abs(probability - told.probability[rows])[warmed]
            metrics.COLD_GAP.observe_many(moved)
        told.stage[rows] = stage

    def _moved(self, judged: Judged, places: Ints) -> Mask:
        least, longest = self._settings.score_min_change, self._settings.score_max_interval_seconds
        if not least and not longest:
            return np.ones(len(judged), bool)
        moved: Mask = places == 0
        if least:
            moved |= np.abs(judged.scores.probability - self._told.probability[places]) >= least
        if longest:
            moved |= judged.time - self._told.time[places] >= longest
        return moved


class _Told:
    """What was told last of as many items as are remembered, a place each; the place 0 is that of
    all others."""

    def __init__(self, most: int) -> None:
        self._place: dict[str, int] = {}
        self._ids = [""] * (most + 1)
        self._next = 1
        self.version, self.probability = np.full((2, most + 1), -1.0)
        self.time, self.at = np.full((2, most + 1), -np.inf)
        self.stage = np.full(most + 1, _UNKNOWN)

    def places(self, ids: Sequence[str]) -> Ints:
        get = self._place.get
        return np.array([get(item_id, 0) for item_id in ids], np.int64)

    def make_room(self, ids: Sequence[str]) -> None:
        """Gives places to items that have none. Those remembered for longest give theirs up, also
        if somebody has just asked for it."""
        self.stage[[self._take(item_id) for item_id in ids]] = _UNKNOWN

    def _take(self, item_id: str) -> int:
        place = self._next
        self._next = place % (len(self._ids) - 1) + 1
        self._place.pop(self._ids[place], None)
        self._ids[place], self._place[item_id] = item_id, place
        return place

    def forget(self, item_id: str) -> None:
        if place := self._place.pop(item_id, 0):
            self._ids[place] = ""


def _first_quarter(partitions: int) -> range:
    return range(-(-partitions // 4))


def _the_rest(partitions: int) -> range:
    return range(-(-partitions // 4), partitions) if partitions > 1 else range(1)


def _key(message: Struct) -> bytes:
    item_id: str = message.item_id  # type: ignore[attr-defined]
    return item_id.encode()


def observe_latency(chunk: Chunk) -> None:
    """Counts how long the chunk's events took from the broker to here."""
    if len(chunk.timestamps_ms):
        metrics.EVENT_TO_SCORE_SECONDS.observe_many(time.time() - chunk.timestamps_ms / 1000)
