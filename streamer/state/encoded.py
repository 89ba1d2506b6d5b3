"""A chunk of `encodings` into the state: exact by identity, in any order and however often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xxhash import xxh3_64_digest

from streamer.events import REVIEW_DIMENSIONS, Encoding
from streamer.state.batch import Range
from streamer.state.keys import readers
from streamer.state.layout import AMOUNT_UNIT, MONTH, REVIEWS, WEEK, decayed_name
from streamer.state.phases import UNKNOWN, LostWrites, emptied
from streamer.state.records import ETAG_BYTES, next_etag
from streamer.state.store import EncodingsCall, Store
from streamer.state.table import ItemTable
from streamer.state.touched import Touched


async def apply_encodings(
    store: Store, read: Range, encodings: Sequence[Encoding], table: ItemTable
) -> Touched:
    """Adds the encodings that were read in a range. Returns the items they are of, changed or not: scores of an
    earlier time may not have been published.

    Raises LostWrites, StoreEmpty, and redis errors, after which it may be called again.
    """
    field, etag = read.watermark("e"), next_etag().to_bytes(ETAG_BYTES, "little")
    calls = [
        EncodingsCall(shard, field, read.start, read.end, etag)
        for shard in range(store.keys.shards)
    ]
    for encoding in encodings:
        call = calls[store.keys.shard[encoding.item_id]]
        if encoding.kind == "description":
            call.descriptions.append(_description(encoding))
        else:
            call.reviews.append(_review(encoding))
    replies = await store.apply_encodings(calls)
    if behind := [reply.stands[0] for reply in replies if reply.stands]:
        if UNKNOWN in behind:
            raise emptied(field)
        raise LostWrites({0: min(behind)})
    ids = [item_id.decode() for reply in replies for item_id in reply.applied or ()]
    rows = table.rows(ids)
    table.doubt(rows)
    await table.read(store, rows)
    return table.touched(ids, rows)


def _description(encoding: Encoding) -> list[Any]:
    return [
        encoding.item_id,
        encoding.time,
        encoding.order,
        encoding.text_id,
        encoding.fingerprint,
        encoding.vector,
    ]


def _review(encoding: Encoding) -> list[Any]:
    head = REVIEWS.heads(1)
    x, at = head["x"][0], REVIEWS.index
    x[at["last_time"]] = encoding.time
    x[at["reviews"]] = 1
    x[at["reader"]] = readers[encoding.fingerprint]
    x[at["v0"] : at["v0"] + REVIEW_DIMENSIONS] = np.frombuffer(encoding.vector, "<i2")
    for half_life in (WEEK, MONTH):
        x[at[decayed_name("reviews", half_life)]] = 1
    if encoding.sentiment is not None:
        sentiment = round(encoding.sentiment / AMOUNT_UNIT)
        x[at["sentiment_count"]] = 1
        x[at["sentiment_sum"]] = sentiment
        for half_life in (WEEK, MONTH):
            x[at[decayed_name("sentiment", half_life)]] = sentiment
    return [encoding.item_id, xxh3_64_digest(encoding.text_id.encode()), head.tobytes()]
