"""A chunk folded into deltas says what happened, worked out here event by event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import Behaviour
from streamer.state.keys import channels
from streamer.state.layout import AMOUNT_UNIT, ITEM
from streamer.state.merge import at_time
from tests.support import histories, reference
from tests.support.records import PSEUDONYMS, deltas_of, list_of

NOW = histories.START + 61 * 86400.0


@given(st.lists(histories.behaviours(), max_size=30))
def test_heads_hold_what_the_reference_counts(events: list[Behaviour]) -> None:
    deltas = deltas_of(events)
    expected = reference.shop([], events).items
    assert sorted(deltas.ids) == sorted(expected)
    now = at_time(ITEM, deltas.records.x, NOW)
    for place, item_id in enumerate(deltas.ids):
        counted = expected[item_id]
        x = dict(zip(ITEM.fields, deltas.records.x[place].tolist(), strict=True))
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
def test_lists_hold_the_distinct_members(events: list[Behaviour]) -> None:
    deltas = deltas_of(events)
    for place, item_id in enumerate(deltas.ids):
        mine = [e for e in events if e.item_id == item_id]
        bought = [e for e in mine if e.type == "purchase"]
        other = [e for e in mine if e.type != "purchase"]
        assert list_of(deltas.records, place, "buyers") == _users(bought)
        assert list_of(deltas.records, place, "users") == _users(other)
        assert list_of(deltas.records, place, "channels") == sorted(
            {channels[e.channel] for e in mine if e.channel}
        )
        assert list_of(deltas.records, place, "days") == sorted(
            {int(e.time // 86400) for e in bought}
        )


def _users(events: list[Behaviour]) -> list[int]:
    return sorted({PSEUDONYMS[e.user_id] >> 32 for e in events if e.user_id})


def test_a_list_keeps_its_smallest_members() -> None:
    events = [
        Behaviour(item_id="i", type="purchase", time=1.0, user_id=f"u{n}", channel=f"c{n}")
        for n in range(500)
    ]
    deltas = deltas_of(events)
    assert list_of(deltas.records, 0, "buyers") == _users(events)[:64]
    assert (
        list_of(deltas.records, 0, "channels") == sorted(channels[f"c{n}"] for n in range(500))[:32]
    )


def test_exposure_allows_for_position_and_counts_what_is_pushed() -> None:
    shown = [
        Behaviour(item_id="i", type="impression", time=1.0, quantity=10, position=3),
        Behaviour(item_id="i", type="impression", time=1.0, quantity=10, surface="mailer"),
    ]
    x = deltas_of(shown).records.x[0] * AMOUNT_UNIT
    assert x[ITEM.index["exposure"]] == pytest.approx(10 / 2 + 10)
    assert x[ITEM.index["sent"]] == pytest.approx(10)
