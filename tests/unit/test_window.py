"""What the window says of an item where its record knows less than all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamer.events import Behaviour
from streamer.state.known import Known
from streamer.state.layout import REVIEWS
from streamer.window import _reviews, _state
from tests.support.histories import START
from tests.support.touching import touched_of


def reviewed(judged: int) -> Known:
    row = REVIEWS.identity.copy()
    for name in ("reviews", "reviews_168h"):
        row[REVIEWS.index[name]] = 2
    for name in ("sentiment_sum", "sentiment_168h"):
        row[REVIEWS.index[name]] = 5000 * judged
    row[REVIEWS.index["sentiment_count"]] = judged
    row[REVIEWS.index["last_time"]] = START
    return Known(reviews=np.array(row))


def test_reviews_without_a_sentiment_have_none() -> None:
    assert _reviews(reviewed(0), START) == {
        "encoded": 2,
        "sentiment": None,
        "sentiment_last_week": None,
    }
    assert _reviews(reviewed(2), START)["sentiment_last_week"] == 0.5


def test_more_distinct_buyers_than_a_record_lists_are_estimated() -> None:
    def shown(buyers: int) -> dict[str, int]:
        events = [
            Behaviour(
                item_id="i", type="purchase", time=START + n * 86400, user_id=f"u{n}", channel="web"
            )
            for n in range(buyers)
        ]
        judged: Any = SimpleNamespace(items=touched_of(events, {}), time=START)
        found: dict[str, int] = _state(judged)["distinct"]
        return found

    assert shown(20) == {"buyers": 20, "users": 0, "channels": 1, "days": 20}
    many = shown(4000)
    assert many["buyers"] == pytest.approx(4000, rel=0.4)
    assert (many["channels"], many["days"]) == (1, 32)
