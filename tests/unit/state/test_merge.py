"""Records are a commutative monoid: merging them in any order and grouping gives the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.events import Behaviour
from streamer.state.layout import ITEM, KIN, REVIEWS, Layout
from streamer.state.merge import at_time, by_field, merge_groups
from streamer.state.merge import merged as pairwise
from tests.support import histories
from tests.support.records import deltas_of

Floats = NDArray[np.float64]

DAY = 86400.0
amounts = st.integers(0, 10**9).map(float)
times = st.floats(0, 4e9)


@st.composite
def rows(draw: st.DrawFn, layout: Layout = ITEM) -> Floats:
    """One record's fields: the identity, or plausible ones at any time."""
    row = layout.identity.copy()
    if draw(st.booleans()):
        last = draw(times)
        row[: len(layout.least)] = last - draw(st.floats(0, 1e6))
        row[len(layout.least) :] = draw(
            st.lists(amounts, min_size=len(row), max_size=len(row)).map(np.array)
        )[len(layout.least) :]
        row[layout.index["last_time"]] = last
    return row


def merged(layout: Layout, *some: Floats) -> Floats:
    _, (row,) = merge_groups(layout, np.array(some), np.zeros(len(some), np.int64))
    return row


def assert_same(layout: Layout, a: Floats, b: Floats) -> None:
    """Decayed fields to 1e-9 relative, everything else exactly."""
    decayed = layout.decayed_slice
    np.testing.assert_array_equal(np.delete(a, decayed), np.delete(b, decayed))
    np.testing.assert_allclose(a[decayed], b[decayed], rtol=1e-9, atol=1e-290)


@pytest.mark.parametrize("layout", [ITEM, KIN, REVIEWS], ids=lambda layout: layout.name)
@given(data=st.data())
def test_merging_is_commutative_and_associative(layout: Layout, data: st.DataObject) -> None:
    a, b, c = (data.draw(rows(layout)) for _ in range(3))
    assert_same(layout, merged(layout, a, b), merged(layout, b, a))
    left = merged(layout, merged(layout, a, b), c)
    assert_same(layout, left, merged(layout, a, merged(layout, b, c)))
    assert_same(layout, left, merged(layout, c, a, b))
    assert np.isfinite(left[layout.decayed_slice]).all()


@given(rows())
def test_the_identity_changes_nothing(row: Floats) -> None:
    np.testing.assert_array_equal(merged(ITEM, row, ITEM.identity), row)
    np.testing.assert_array_equal(merged(ITEM, ITEM.identity, row), row)


@given(st.data())
def test_merging_two_rows_is_merging_a_group_of_two(data: st.DataObject) -> None:
    pairs = [(data.draw(rows()), data.draw(rows())) for _ in range(3)]
    ones, others = (np.array(side) for side in zip(*pairs, strict=True))
    for row, (one, other) in zip(pairwise(ITEM, ones, others), pairs, strict=True):
        assert_same(ITEM, row, merged(ITEM, one, other))


def test_groups_are_merged_apart() -> None:
    x = np.stack([ITEM.identity] * 3)
    x[:, ITEM.index["view"]] = [1, 2, 4]
    groups, out = merge_groups(ITEM, x, np.array([2, 0, 2]))
    assert groups.tolist() == [0, 2]
    assert out[:, ITEM.index["view"]].tolist() == [2, 5]
    groups, out = merge_groups(ITEM, x[:0], np.empty(0, np.int64))
    assert (len(groups), out.shape) == (0, (0, len(ITEM.fields)))


@given(times, st.floats(0, 1e10))
def test_a_weight_halves_with_every_half_life_and_never_overflows(last: float, age: float) -> None:
    row = ITEM.identity.copy()
    row[ITEM.index["last_time"]] = last
    row[ITEM.decayed_slice] = 1e6
    (later,) = at_time(ITEM, row[None], last + age)
    exact = (last + age) - last
    expected = [1e6 * 2.0 ** (-exact / half_life) for half_life in ITEM.half_lives]
    np.testing.assert_allclose(later[ITEM.decayed_slice], expected, rtol=1e-12)
    named = by_field(ITEM, row[:, None], last + age)
    assert {name: of.tolist() for name, of in named.items()} == {
        name: [value] for name, value in zip(ITEM.fields, later.tolist(), strict=True)
    }
    (unmoved,) = at_time(ITEM, ITEM.identity[None], last)
    np.testing.assert_array_equal(unmoved, ITEM.identity)


@given(
    st.lists(histories.behaviours(), min_size=1, max_size=25),
    st.lists(st.integers(0, 3), min_size=25, max_size=25),
    st.randoms(use_true_random=False),
)
def test_any_order_and_any_splitting_of_a_history_gives_the_same_records(
    events: list[Behaviour],
    portions: list[int],
    rng: np.random.Generator,
) -> None:
    whole = deltas_of(events)
    shuffled = list(zip(events, portions, strict=False))
    rng.shuffle(shuffled)  # type: ignore[arg-type]
    parts = [deltas_of([e for e, p in shuffled if p == portion]) for portion in range(4)]
    place = {item_id: i for i, item_id in enumerate(whole.ids)}
    _, together = merge_groups(
        ITEM,
        np.concatenate([part.records.x for part in parts]),
        np.array([place[item_id] for part in parts for item_id in part.ids]),
    )
    for a, b in zip(together, whole.records.x, strict=True):
        assert_same(ITEM, a, b)


def test_decay_survives_a_century_between_events() -> None:
    old, new = (
        deltas_of([Behaviour(item_id="i", type="view", time=t)]).records.x[0] for t in (1.0, 3e9)
    )
    both = merged(ITEM, old, new)
    assert both[ITEM.index["view"]] == 2
    assert both[ITEM.index["views_168h"]] == 1.0
