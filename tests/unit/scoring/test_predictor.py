"""A score is the sum of what its features add, whichever of them are there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional

from streamer import registry
from streamer.scoring.predictor import BLOCK_ITEMS, STAGES, Predictor, stages
from streamer.state.features import FEATURES, MODALITIES
from tests.support.bundles import DIMENSIONS, SHIPPED, random_predictor

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


@given(st.integers(0, 2**32), st.permutations(range(len(FEATURES))), st.integers(0, 9))
def test_a_model_reads_its_features_wherever_they_stand_among_others(
    seed: int, order: list[int], others: int
) -> None:
    names = [*(FEATURES[place] for place in order), *(f"other_{n}" for n in range(others))]
    group = np.array([*PREDICTOR.group[order], *np.zeros(others, np.int64)])
    x, content, stage = inputs(seed, 5)
    wider = np.hstack([x[:, order], np.random.default_rng(seed).normal(size=(5, others))])
    told = PREDICTOR.reading(tuple(names), group).score(wider, content, stage)
    known = PREDICTOR.score(x, content, stage)
    np.testing.assert_allclose(told.logit, known.logit, rtol=1e-12)
    np.testing.assert_array_equal(told.uncertainty, known.uncertainty)
    np.testing.assert_array_equal(told.by_feature[:, : len(FEATURES)], known.by_feature[:, order])
    assert not told.by_feature[:, len(FEATURES) :].any()


NO_FLAGS = replace(
    PREDICTOR,
    flags=PREDICTOR.flags[:0],
    weights1=np.delete(
        PREDICTOR.weights1, len(PREDICTOR.values) + np.arange(len(PREDICTOR.flags)), axis=0
    ),
)
"""To it, what is not there is average."""


def without(x: Floats, modality: str) -> Floats:
    x = x.copy()
    x[:, [FEATURES.index(name) for name in MODALITIES[modality]]] = np.nan
    return x


@pytest.mark.parametrize("modality", list(MODALITIES))
def test_a_modality_that_is_not_there_adds_nothing(modality: str) -> None:
    x, content, stage = inputs(5, 20)
    place = PREDICTOR.names.index(modality)
    assert NO_FLAGS.score(x, content, stage).contributions[:, place].any()
    masked = NO_FLAGS.score(without(x, modality), content, stage)
    assert not masked.contributions[:, place].any()


def test_being_missing_counts_where_training_knew_it() -> None:
    x = np.repeat(PREDICTOR.mean[None], 2, axis=0)
    flagged = PREDICTOR.flags[3]
    x[1, flagged] = np.nan
    scores = PREDICTOR.score(x, np.full((2, DIMENSIONS), np.nan, np.float32), np.array([1, 1]))
    assert not scores.by_feature[0].any()
    assert np.flatnonzero(scores.by_feature[1]).tolist() == [flagged]


def test_content_that_is_average_or_not_read_adds_nothing() -> None:
    x, content, stage = inputs(6, 20)
    content[:10], content[10:] = np.nan, PREDICTOR.content_mean
    scores = PREDICTOR.score(x, content, stage)
    np.testing.assert_allclose(scores.contributions[:, 1], 0, atol=1e-6)


@given(st.integers(0, 2**32))
def test_the_forward_pass_is_that_of_torch(seed: int) -> None:
    x, content, stage = inputs(seed, 5)
    raw = replace(PREDICTOR, slope=np.ones(3), offset=np.zeros(3))
    read = torch.from_numpy(raw.inputs(x, content))
    logits = []
    for member in range(len(raw.bias)):
        layers = [(raw.weights1[:, member], raw.bias1[member])]
        layers += [(raw.weights2[member], raw.bias2[member])]
        hidden = read
        for weights, bias in layers:
            weight = torch.from_numpy(weights.T.copy())
            hidden = torch.relu(functional.linear(hidden, weight, torch.from_numpy(bias)))
        logits.append(hidden @ torch.from_numpy(raw.weights3[member]) + raw.bias[member])
    z = raw._standardised(x, raw.termed)
    expected = torch.stack(logits).mean(0).numpy() + z @ raw.term.mean(axis=0)
    np.testing.assert_allclose(raw.score(x, content, stage).logit, expected, rtol=1e-5, atol=1e-5)


def test_where_every_unit_passes_an_input_adds_its_weight_times_itself() -> None:
    open_wide = replace(
        NO_FLAGS,
        bias1=NO_FLAGS.bias1 + np.float32(50),
        weights2=np.abs(NO_FLAGS.weights2),
        bias2=NO_FLAGS.bias2 + np.float32(50),
        bias=np.zeros(len(NO_FLAGS.bias)),
        slope=np.full(3, 1e-3),
        term=np.zeros_like(NO_FLAGS.term),
    )
    x, content, stage = inputs(4, 6, missing=0.0)
    through = np.einsum(
        "ieh,ehk,ek->i", open_wide.weights1, open_wide.weights2, open_wide.weights3
    ) / len(open_wide.bias)
    expected = open_wide.inputs(x, content) * through
    found = 1e3 * open_wide.score(x, content, stage).by_feature[:, open_wide.values]
    np.testing.assert_allclose(found, expected[:, : len(open_wide.values)], rtol=1e-3, atol=1e-3)


def test_taking_away_the_weightiest_reason_moves_the_score_against_it() -> None:
    shipped = registry.active(SHIPPED).predictor
    rng = np.random.default_rng(0)
    x = shipped.mean + shipped.scale * rng.normal(size=(1000, len(FEATURES)))
    content = np.full((1000, shipped.components.shape[1]), np.nan, np.float32)
    stage = np.ones(1000, np.int64)
    whole = shipped.score(x, content, stage)
    weightiest = np.abs(whole.by_feature).argmax(axis=1)
    rows = np.arange(1000)
    x[rows, weightiest] = shipped.mean[weightiest]
    moved = whole.logit - shipped.score(x, content, stage).logit
    assert (moved * whole.by_feature[rows, weightiest] > 0).mean() >= 0.95


@given(st.integers(0, 2**32))
def test_the_logit_is_that_of_the_mean_of_the_ensemble(seed: int) -> None:
    x, content, stage = inputs(seed, 5)
    logits = []
    for member in range(len(PREDICTOR.bias)):
        one = slice(member, member + 1)
        by_member = ("bias1", "weights2", "bias2", "weights3", "bias", "term")
        given_alone = {name: getattr(PREDICTOR, name)[one] for name in by_member}
        alone = replace(PREDICTOR, weights1=PREDICTOR.weights1[:, one], **given_alone)
        scores = alone.score(x, content, stage)
        logits.append(scores.logit)
        np.testing.assert_allclose(scores.uncertainty, 0, atol=1e-12)
    scores = PREDICTOR.score(x, content, stage)
    np.testing.assert_allclose(scores.logit, np.mean(logits, axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scores.uncertainty, np.std(logits, axis=0), rtol=1e-4, atol=1e-5)


def test_items_are_scored_alike_alone_and_in_company() -> None:
    x, content, stage = inputs(8, 2 * BLOCK_ITEMS + 3)
    together = PREDICTOR.score(x, content, stage)
    for place in (0, BLOCK_ITEMS - 1, BLOCK_ITEMS, 2 * BLOCK_ITEMS + 2):
        one = slice(place, place + 1)
        alone = PREDICTOR.score(x[one], content[one], stage[one])
        np.testing.assert_allclose(alone.logit, together.logit[one], rtol=1e-5)
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
