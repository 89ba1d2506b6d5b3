"""A chunk folded into deltas says what happened, worked out here event by event."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import Behaviour
from streamer.state.keys import channels
from streamer.state.layout import AMOUNT_UNIT, ITEM
from streamer.state.merge import at_time
from tests.support import histories, reference
from tests.support.records import KEYS, PSEUDONYMS, deltas_of, list_of

NOW = histories.START + 61 * 86400.0


@given(st.lists(histories.behaviours(), max_size=30))
def test_heads_hold_what_the_reference_counts(events: list[Behaviour]) -> None:
    deltas = deltas_of(events)
    expected = reference.shop([], events).items
    assert sorted(deltas.ids) == sorted(expected)
    now = at_time(ITEM, deltas.heads["x"], NOW)
    for place, item_id in enumerate(deltas.ids):
        counted = expected[item_id]
        x = dict(zip(ITEM.fields, deltas.heads["x"][place].tolist(), strict=True))
        assert {name: x[name] for name in reference.SUMS} == {
            name: counted.sums[name] for name in reference.SUMS
        }
        assert (x["first_time"], x["last_time"]) == (min(counted.times), max(counted.times))
        for signal, windows in reference.DECAYED.items():
            for window in windows:
                assert now[place][ITEM.index[f"{signal}_{window}"]] == pytest.approx(
                    counted.decayed(signal, window, NOW), rel=1e-9
                )


@given(st.lists(histories.behaviours(), max_size=30))
def test_lists_hold_the_distinct_members_in_order(events: list[Behaviour]) -> None:
    deltas = deltas_of(events)
    for place, item_id in enumerate(deltas.ids):
        mine = [e for e in events if e.item_id == item_id]
        bought = [e for e in mine if e.type == "purchase"]
        other = [e for e in mine if e.type != "purchase"]
        assert list_of(deltas, place, "buyers") == _users(bought)
        assert list_of(deltas, place, "users") == _users(other)
        assert list_of(deltas, place, "channels") == sorted(
            {channels[e.channel] for e in mine if e.channel}
        )
        assert list_of(deltas, place, "days") == sorted({int(e.time // 86400) for e in bought})


def _users(events: list[Behaviour]) -> list[int]:
    return sorted({PSEUDONYMS[e.user_id] >> 32 for e in events if e.user_id})


def test_a_list_keeps_its_smallest_members() -> None:
    events = [
        Behaviour(item_id="i", type="purchase", time=1.0, user_id=f"u{n}", channel=f"c{n}")
        for n in range(500)
    ]
    deltas = deltas_of(events)
    assert list_of(deltas, 0, "buyers") == _users(events)[:64]
    assert list_of(deltas, 0, "channels") == sorted(channels[f"c{n}"] for n in range(500))[:32]


@given(st.lists(histories.behaviours(), max_size=30))
def test_shards_divide_the_items_and_their_bytes(events: list[Behaviour]) -> None:
    deltas = deltas_of(events)
    seen: list[str] = []
    for shard in range(KEYS.shards):
        ids = deltas.ids_of(shard)
        assert all(KEYS.shard[item_id] == shard for item_id in ids)
        heads, tails = (np.frombuffer(deltas.packed(shard)[0], ITEM.head), deltas.packed(shard)[1])
        assert len(heads) == len(ids)
        assert len(tails) == 4 * sum(int(heads[name].sum()) for name, _ in ITEM.lists)
        assert deltas.events[shard] == heads["x"][:, ITEM.index["version"]].sum()
        seen += ids
    assert seen == deltas.ids
    assert sorted(seen) == sorted({event.item_id for event in events})


def test_exposure_allows_for_position_and_counts_what_is_pushed() -> None:
    shown = [
        Behaviour(item_id="i", type="impression", time=1.0, quantity=10, position=3),
        Behaviour(item_id="i", type="impression", time=1.0, quantity=10, surface="mailer"),
    ]
    x = deltas_of(shown).heads["x"][0] * AMOUNT_UNIT
    assert x[ITEM.index["exposure"]] == pytest.approx(10 / 2 + 10)
    assert x[ITEM.index["sent"]] == pytest.approx(10)
