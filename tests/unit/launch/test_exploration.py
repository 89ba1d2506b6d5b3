"""Lists that are drawn, and what is told of how likely they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.launch.exploration import chances, drawn


@settings(max_examples=20)
@given(st.integers(0, 6), st.integers(1, 8), st.integers(0, 2**32))
def test_every_place_is_filled_and_an_item_is_in_a_list_at_most_once(
    items: int, places: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    lists = drawn(rng.normal(size=items), np.ones(items), places, rng)
    assert lists.shape[1] == min(items, places)
    assert all(len(set(one)) == len(one) for one in lists.tolist())
    chance = chances(lists, items)
    np.testing.assert_allclose(chance.sum(axis=0), 1.0)
    assert (chance.sum(axis=1) <= 1 + 1e-9).all()


def test_a_sure_model_always_shows_its_best_and_an_unsure_one_others_too() -> None:
    logit, rng = np.array([0.0, 2.0, 1.0]), np.random.default_rng(0)
    sure = chances(drawn(logit, np.full(3, 1e-9), 2, rng), 3)
    assert sure.tolist() == [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    unsure = chances(drawn(logit, np.full(3, 2.0), 2, rng), 3)
    assert 0.1 < unsure[0, 0] < unsure[2, 0] < unsure[1, 0] < 0.9


def test_what_is_told_of_many_requests_is_how_often_it_happened() -> None:
    """Each request tells propensities by lists of its own; the inverse of what was shown, summed,
    counts every item as often as there were requests (Horvitz and Thompson, 1952)."""
    rng, requests = np.random.default_rng(0), 800
    logit, uncertainty = np.array([0.0, 0.3, 0.6, 0.6]), np.array([0.8, 1.0, 0.6, 0.8])
    weight = np.zeros((4, 2))
    for _ in range(requests):
        lists = drawn(logit, uncertainty, 2, rng)
        for place, item in enumerate(lists[0].tolist()):
            weight[item, place] += 1 / chances(lists, 4)[item, place]
    assert weight / requests == pytest.approx(np.ones((4, 2)), abs=0.25)
