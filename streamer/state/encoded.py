"""A chunk of `encodings` into the state: exact by identity, in any order and however often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xxhash import xxh3_64_digest

from streamer.events import REVIEW_DIMENSIONS, Encoding
from streamer.state.known import KnownItems
from streamer.state.layout import AMOUNT_UNIT, MONTH, REVIEWS, WEEK, decayed_name
from streamer.state.store import Store
from streamer.state.touched import Touched, touched


async def apply_encodings(
    store: Store, encodings: Sequence[Encoding], cache: KnownItems
) -> Touched:
    """Adds the encodings. Returns the items that changed.

    Raises redis errors, after which it may be called again.
    """
    descriptions: list[list[Any]] = []
    reviews: list[list[Any]] = []
    for encoding in encodings:
        if encoding.kind == "description":
            descriptions.append(_description(encoding))
        else:
            reviews.append(_review(encoding))
    changed = await store.add_encodings(descriptions, reviews)
    ids = list(changed)
    asked = [cache.get(item_id) for item_id in ids]
    return touched(ids, [changed[item_id] for item_id in ids], asked, cache)


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
