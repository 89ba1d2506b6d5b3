"""A score is the sum of what its features add, whichever of them are there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.scoring.predictor import BLOCK_ITEMS, STAGES, Predictor, stages
from streamer.state.features import FEATURES, MODALITIES
from tests.support.bundles import DIMENSIONS, random_predictor

Floats = NDArray[np.float64]

PREDICTOR = random_predictor(3)


def inputs(
    seed: int, count: int, missing: float = 0.3
) -> tuple[Floats, NDArray[np.float32], Floats]:
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=5, size=(count, len(FEATURES)))
    x[rng.random(x.shape) < missing] = np.nan
    content = rng.normal(scale=0.05, size=(count, DIMENSIONS)).astype(np.float32)
    content[rng.random(count) < missing] = np.nan
    return x, content, rng.integers(0, 3, count)


def without(x: Floats, modality: str) -> Floats:
    x = x.copy()
    x[:, [FEATURES.index(name) for name in MODALITIES[modality]]] = np.nan
    return x


@given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([0.0, 0.3, 1.0]))
def test_contributions_sum_to_the_logit(seed: int, count: int, missing: float) -> None:
    scores = PREDICTOR.score(*inputs(seed, count, missing))
    assert scores.contributions.shape == (count, len(PREDICTOR.names))
    np.testing.assert_array_equal(scores.contributions.sum(axis=1), scores.logit)
    by_modality = scores.contributions[:, 2:]
    for place, names in enumerate(MODALITIES.values()):
        columns = [FEATURES.index(name) for name in names]
        np.testing.assert_allclose(
            scores.by_feature[:, columns].sum(axis=1), by_modality[:, place], atol=1e-12
        )
    np.testing.assert_allclose(scores.probability, 1 / (1 + np.exp(-scores.logit)))
    assert ((scores.probability > 0) & (scores.probability < 1)).all()
    assert (scores.uncertainty >= 0).all()


@pytest.mark.parametrize("modality", list(MODALITIES))
def test_a_modality_that_is_not_there_moves_its_own_contribution_alone(modality: str) -> None:
    x, content, stage = inputs(5, 20)
    whole = PREDICTOR.score(x, content, stage)
    masked = PREDICTOR.score(without(x, modality), content, stage)
    place = PREDICTOR.names.index(modality)
    others = [p for p in range(len(PREDICTOR.names)) if p != place]
    np.testing.assert_array_equal(whole.contributions[:, others], masked.contributions[:, others])
    assert (whole.contributions[:, place] != masked.contributions[:, place]).any()
    constant = masked.contributions[:, place] / PREDICTOR.slope[stage]
    np.testing.assert_allclose(constant, constant[0])


def test_content_that_is_not_there_contributes_its_own_constant() -> None:
    x, content, stage = inputs(6, 20)
    content[:] = np.nan
    scores = PREDICTOR.score(x, content, stage)
    constant = PREDICTOR.content_weights[:, 0].mean()
    np.testing.assert_allclose(scores.contributions[:, 1], PREDICTOR.slope[stage] * constant)


def test_content_adds_by_how_it_differs_from_the_mean_of_training() -> None:
    x, content, stage = inputs(7, 20)
    content[:] = PREDICTOR.content_mean
    scores = PREDICTOR.score(x, content, stage)
    np.testing.assert_allclose(scores.contributions[:, 1], 0, atol=1e-6)


@given(st.integers(0, 2**32))
def test_the_logit_is_that_of_the_mean_of_the_ensemble(seed: int) -> None:
    x, content, stage = inputs(seed, 5)
    logits = []
    for member in range(len(PREDICTOR.bias)):
        one = slice(member, member + 1)
        alone = replace(
            PREDICTOR,
            weights=PREDICTOR.weights[one],
            content_weights=PREDICTOR.content_weights[one],
            bias=PREDICTOR.bias[one],
        )
        scores = alone.score(x, content, stage)
        logits.append(scores.logit)
        np.testing.assert_allclose(scores.uncertainty, 0, atol=1e-12)
    scores = PREDICTOR.score(x, content, stage)
    np.testing.assert_allclose(scores.logit, np.mean(logits, axis=0))
    np.testing.assert_allclose(scores.uncertainty, np.std(logits, axis=0))


def test_items_are_scored_alike_alone_and_in_company() -> None:
    x, content, stage = inputs(8, 2 * BLOCK_ITEMS + 3)
    together = PREDICTOR.score(x, content, stage)
    for place in (0, BLOCK_ITEMS - 1, BLOCK_ITEMS, 2 * BLOCK_ITEMS + 2):
        one = slice(place, place + 1)
        alone = PREDICTOR.score(x[one], content[one], stage[one])
        np.testing.assert_allclose(alone.logit, together.logit[one], rtol=1e-12)
        picked = together.at(np.array([place]))
        assert picked.logit == together.logit[place]
        np.testing.assert_array_equal(picked.by_feature[0], together.by_feature[place])


def test_values_beyond_those_of_training_count_as_the_outermost() -> None:
    x = np.repeat(PREDICTOR.greatest[None], 2, axis=0)
    x[1] *= 1e6
    scores = PREDICTOR.score(x, np.full((2, DIMENSIONS), np.nan, np.float32), np.array([2, 2]))
    assert scores.logit[0] == scores.logit[1]
    assert np.isfinite(scores.logit).all()


def test_nothing_to_score_is_no_score() -> None:
    nothing = PREDICTOR.score(*inputs(1, 0))
    assert len(nothing.logit) == 0
    assert nothing.contributions.shape == (0, len(PREDICTOR.names))


def test_calibration_is_of_the_stage_and_stays_additive() -> None:
    x, content, _ = inputs(9, 1)
    raw = replace(PREDICTOR, slope=np.ones(3), offset=np.zeros(3))
    (logit,) = raw.score(x, content, np.array([0])).logit
    for stage in range(3):
        scores = PREDICTOR.score(x, content, np.array([stage]))
        expected = PREDICTOR.slope[stage] * logit + PREDICTOR.offset[stage]
        np.testing.assert_allclose(scores.logit, expected)


def test_stages_follow_what_shoppers_did() -> None:
    found = stages(np.array([0.0, 1.0, 29.0, 30.0, 1e6]))
    assert [STAGES[s] for s in found] == ["cold", "warming", "warming", "warm", "warm"]


def test_a_predictor_is_its_arrays() -> None:
    again = Predictor.of(PREDICTOR.features, PREDICTOR.groups, PREDICTOR.arrays())
    x, content, stage = inputs(2, 4)
    np.testing.assert_array_equal(
        again.score(x, content, stage).logit, PREDICTOR.score(x, content, stage).logit
    )
