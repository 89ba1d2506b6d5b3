from __future__ import annotations

import math

from streamer.replay.feed import Feed
from tests.unit.replay.records import Listed, purchase

RECORDS = [purchase("a", 1.0), purchase("b", 2.0), purchase("c", 2.0), purchase("d", 7.0)]


def test_a_portion_ends_at_its_limit_and_at_its_time() -> None:
    feed = Feed(Listed(RECORDS), 1000)
    assert feed.next_time == 1.0
    assert [key for key, _ in feed.take(2, math.inf).records["user-behaviour"]] == [b"a", b"b"]
    rest = feed.take(10, 2.0)
    assert rest.counts.records == 1
    assert rest.time == 2.0
    assert feed.next_time == 7.0
    feed.take(10, math.inf)
    assert feed.next_time is None


def test_what_no_broker_takes_is_counted_and_left_out() -> None:
    feed = Feed(Listed([purchase("a", 1.0), purchase("b" * 150, 2.0)]), 300)
    portion = feed.take(10, math.inf)
    assert portion.counts.too_large == 1
    assert portion.counts.by_kind == {"purchase": 1}
    assert [key for key, _ in portion.records["user-behaviour"]] == [b"a"]
