"""What the crash tests tell the system: real sales and reviews, a few records twice, a few broken."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import numpy as np
from xxhash import xxh3_64_intdigest

from streamer.events import REVIEW_DIMENSIONS, Encoding, Text
from streamer.publish import Publisher, Record
from streamer.registry import active
from streamer.replay.producing import producing
from streamer.replay.record import TimedRecord
from streamer.replay.sources.clothing import ClothingReviews
from streamer.replay.sources.complete_journey import DAY_ZERO
from streamer.settings import Settings
from streamer.topology import ENCODINGS, TEXTS, USER_BEHAVIOUR
from streamer.wire import pack
from tests.support.bundles import DIMENSIONS
from tests.support.journey import busy_day
from tests.support.logs import read

DAY = 92
SALES, REVIEWS, TWICE, BROKEN = 500, 120, 20, 10

Inputs = dict[str, list[Record]]
"""Keys and values by topic."""

_read_text = msgspec.msgpack.Decoder(Text).decode


def inputs() -> Inputs:
    """The same every time. Every event has an id, so that texts are called alike in every run."""
    records = [*_sales(), *_reviews()]
    found: Inputs = defaultdict(list)
    for number, record in enumerate(sorted(records, key=lambda record: record.time)):
        found[record.topic.name].append((record.key, _identified(record, number)))
    behaviour = found[USER_BEHAVIOUR.name]
    behaviour += behaviour[-TWICE:]
    behaviour += [(b"broken-%d" % number, b"\x00not an event") for number in range(BROKEN)]
    return found


def _sales() -> list[TimedRecord]:
    """Most promotions come before the first sale of a week: so many of a day, evenly."""
    day = list(busy_day(DAY))
    return day[:: len(day) // SALES][:SALES]


def _reviews() -> list[TimedRecord]:
    start = DAY_ZERO + DAY * 86400.0
    by_garment: defaultdict[bytes, list[TimedRecord]] = defaultdict(list)
    for record in ClothingReviews(start, start + 86400.0):
        by_garment[record.key].append(record)
    found: list[TimedRecord] = []
    for garment in sorted(by_garment, key=lambda key: (len(by_garment[key]) < 15, key)):
        found += by_garment[garment]
        if len(found) > REVIEWS:
            break
    return found


def _identified(record: TimedRecord, number: int) -> bytes:
    event = record.value
    assert not isinstance(event, bytes)
    return pack(msgspec.structs.replace(event, event_id=event.event_id or f"event-{number}"))


async def tell(settings: Settings, records: Inputs) -> None:
    async with producing(settings) as producer:
        publisher = Publisher(producer)
        for topic, some in records.items():
            await publisher.publish(settings.topic(topic), some)


async def answer_texts(settings: Settings) -> None:
    """Answers every text once, as the encoder does, with a vector that is drawn from its id."""
    texts = [_read_text(record.value) for record in await read(settings, TEXTS.name)]
    once = {(text.item_id, text.kind, text.text_id): text for text in texts}
    fingerprint = active(settings.model_store).encoder
    answers = [_encoding(once[name], fingerprint) for name in sorted(once)]
    await tell(settings, {ENCODINGS.name: [(e.item_id.encode(), pack(e)) for e in answers]})


def _encoding(text: Text, fingerprint: str) -> Encoding:
    rng = np.random.default_rng(xxh3_64_intdigest(text.text_id.encode()))
    review = text.kind == "review"
    vector = (
        rng.integers(-300, 300, REVIEW_DIMENSIONS).astype("<i2")
        if review
        else (rng.normal(size=DIMENSIONS) / np.sqrt(DIMENSIONS)).astype("<f2")
    )
    return Encoding(
        item_id=text.item_id,
        kind=text.kind,
        text_id=text.text_id,
        fingerprint=fingerprint,
        vector=vector.tobytes(),
        sentiment=float(rng.random()) if review else None,
        time=text.time,
        order=text.order,
    )
