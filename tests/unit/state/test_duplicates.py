"""An event is a duplicate exactly when its id stands in the W offsets before it."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.state.duplicates import DuplicateWindow


def by_the_rule(ids: list[str | None], offsets: list[int], size: int) -> list[bool]:
    return [
        event_id is not None
        and any(
            other == event_id and 0 < offset - before <= size
            for other, before in zip(ids, offsets, strict=True)
        )
        for event_id, offset in zip(ids, offsets, strict=True)
    ]


@given(
    st.lists(st.tuples(st.none() | st.sampled_from("abcdefgh"), st.integers(1, 4)), max_size=80),
    st.lists(st.integers(0, 80), max_size=8),
    st.integers(0, 30),
)
def test_the_window_decides_by_the_rule_however_the_log_is_cut(
    log: list[tuple[str | None, int]], cuts: list[int], size: int
) -> None:
    ids = [event_id for event_id, _ in log]
    offsets = np.cumsum([gap for _, gap in log]).tolist()
    window = DuplicateWindow(size)
    edges = [0, *sorted(cuts), len(ids)]
    decided = [
        bool(duplicate)
        for first, last in itertools.pairwise(edges)
        for duplicate in window.duplicates(ids[first:last], np.array(offsets[first:last], int))
    ]
    assert decided == by_the_rule(ids, offsets, size)


def test_a_window_filled_from_w_offsets_back_decides_like_one_that_saw_everything() -> None:
    rng = np.random.default_rng(7)
    ids = [f"e{n}" for n in rng.integers(0, 400, 5000)]
    offsets = np.arange(5000)
    whole, late = DuplicateWindow(300), DuplicateWindow(300)
    everything = whole.duplicates(ids, offsets)
    late.duplicates(ids[2700:3000], offsets[2700:3000])
    np.testing.assert_array_equal(late.duplicates(ids[3000:], offsets[3000:]), everything[3000:])


def test_memory_is_bounded_by_the_window() -> None:
    window = DuplicateWindow(1000)
    for first in range(0, 100_000, 250):
        window.duplicates(
            [f"e{n}" for n in range(first, first + 250)], np.arange(first, first + 250)
        )
    assert sum(len(run.hashes) for run in window._runs) <= 4000
