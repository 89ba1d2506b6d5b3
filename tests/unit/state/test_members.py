"""Lists of distinct members, many at once: the smallest of all that were ever added."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.state.layout import ITEM
from streamer.state.members import EMPTY, LISTS, WIDTH, Additions, add, distinct, filled, slots_of

COUNT = 3
KEEP = dict(ITEM.lists)
values = st.integers(0, EMPTY - 1) | st.integers(0, 90)
additions = st.lists(
    st.tuples(st.integers(0, COUNT - 1), st.sampled_from(LISTS), values), max_size=60
)
batches = st.lists(
    additions | st.integers(0, 2**31).map(lambda seed: crowd(np.random.default_rng(seed))),
    max_size=6,
)


def crowd(rng: np.random.Generator) -> list[tuple[int, str, int]]:
    """More members of one list than it keeps."""
    return [(1, "users", int(value)) for value in rng.integers(0, EMPTY, 150)]


def added(some: list[tuple[int, str, int]]) -> Additions:
    rows = np.array([[r, LISTS.index(name), v] for r, name, v in some], np.int64).reshape(-1, 3)
    return Additions.distinct(*rows.T)


@given(batches)
def test_the_smallest_of_all_members_are_kept_whatever_the_batches(
    batches: list[list[tuple[int, str, int]]],
) -> None:
    counts = np.zeros((COUNT, len(LISTS)), np.uint16)
    slots = np.full((COUNT, WIDTH), EMPTY, np.uint32)
    for some in batches:
        add(counts, slots, added(some))
    for record in range(COUNT):
        for place, name in enumerate(LISTS):
            members = {v for some in batches for r, n, v in some if (r, n) == (record, name)}
            mine = slots[record, slots_of(name)]
            assert sorted(mine[mine != EMPTY].tolist()) == sorted(members)[: KEEP[name]]
            assert counts[record, place] == min(len(members), KEEP[name])
    np.testing.assert_array_equal(filled(counts), slots != EMPTY)


def test_members_are_counted_exactly_until_a_list_is_full_and_estimated_beyond() -> None:
    rng = np.random.default_rng(0)
    for count in (0, 1, 63, 400, 20_000):
        counts = np.zeros((1, len(LISTS)), np.uint16)
        slots = np.full((1, WIDTH), EMPTY, np.uint32)
        hashes = rng.integers(0, EMPTY, count)
        add(counts, slots, added([(0, "buyers", int(value)) for value in hashes]))
        (found,) = distinct(counts, slots, "buyers").tolist()
        assert found == count if count < KEEP["buyers"] else abs(found / count - 1) < 0.4
