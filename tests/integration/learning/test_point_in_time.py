"""A look sees what had happened by its moment and nothing later, wherever a window of the replay ends."""

from __future__ import annotations

import asyncio
from itertools import accumulate, count

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streamer.events import Behaviour, NewItem
from streamer.learning import replay as replaying
from streamer.learning.replay import AT_FIRST_SIGHT, Replay
from streamer.replay.record import TimedRecord
from streamer.settings import load
from streamer.state.connection import connected
from streamer.state.features import FEATURES, features
from streamer.state.keys import Keys
from streamer.state.layout import DAY
from streamer.state.store import Store
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

AGES = (AT_FIRST_SIGHT, 0.0, 1 / 24, 1.0)
ITEMS = ("coat", "dress")
START = 1_500_000_000.0
_groups = count()

Looked = dict[tuple[str, float], np.ndarray]
Step = tuple[float, str, str]
"""Seconds since the step before, what happens, and to which item."""

steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.0, 1.0, 3599.0, 3600.0, DAY]),
        st.sampled_from(["upsert", "purchase", "purchase", "view"]),
        st.sampled_from(ITEMS),
    ),
    min_size=1,
    max_size=14,
)


def log(some: list[Step]) -> list[TimedRecord]:
    """Items that share neither relatives nor channels."""
    times = accumulate((after for after, _, _ in some), initial=START)
    next(times)
    return [
        record(n, time, kind, i)
        for n, (time, (_, kind, i)) in enumerate(zip(times, some, strict=True))
    ]


def record(number: int, time: float, kind: str, item: str) -> TimedRecord:
    event: Behaviour | NewItem
    if kind == "upsert":
        event = NewItem(item_id=item, time=time, title=item, brand=item, category=[item])
        return TimedRecord(NEW_ITEMS, item.encode(), event, time, kind)
    event = Behaviour(item_id=item, time=time, type=kind, user_id=f"u{number}", channel=item)
    return TimedRecord(USER_BEHAVIOUR, item.encode(), event, time, kind)


def looked(url: str, records: list[TimedRecord]) -> Looked:
    async def look() -> Looked:
        found: Looked = {}
        end = record(0, START + 1000 * DAY, "view", "end")
        async with connected(load(redis=url)) as client:
            keys = Keys(f"moment-{next(_groups)}", shards=1)
            store = Store(client, keys, user_retention_seconds=0)
            replay = Replay(store, lambda _: AGES)
            async for seen in replay.run([*records, end], lambda _: None):
                rows = features(seen.items, seen.kin, seen.time, "none", 4).x
                found |= dict(
                    zip(zip(seen.items.ids, seen.age.tolist(), strict=True), rows, strict=True)
                )
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replaying, "WINDOW_RECORDS", 3)
        return asyncio.run(look())


def had_happened(records: list[TimedRecord], item: str, age: float) -> list[TimedRecord]:
    listing = next(
        n for n, r in enumerate(records) if r.kind == "upsert" and r.key == item.encode()
    )
    if age == AT_FIRST_SIGHT:
        return records[: listing + 1]
    return [r for r in records if r.time <= records[listing].time + age * DAY]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(some=steps)
@example(some=[(0.0, "upsert", "coat"), (0.0, "purchase", "coat"), (DAY, "view", "dress")])
def test_what_comes_later_moves_no_feature_of_a_look(redis_url: str, some: list[Step]) -> None:
    records = log(some)
    whole = looked(redis_url, records)
    listed = {item for _, kind, item in some if kind == "upsert"}
    assert set(whole) == {(item, age) for item in listed for age in AGES}
    for (item, age), row in whole.items():
        alone = looked(redis_url, had_happened(records, item, age))
        np.testing.assert_array_equal(alone[item, age], row, err_msg=f"{item} at {age}")


def test_first_sight_is_before_a_sale_in_the_same_second(redis_url: str) -> None:
    found = looked(redis_url, log([(0.0, "upsert", "coat"), (0.0, "purchase", "coat")]))
    buyers = FEATURES.index("buyers")
    assert found["coat", AT_FIRST_SIGHT][buyers] == 0
    assert found["coat", 0.0][buyers] > 0
