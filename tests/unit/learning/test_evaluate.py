"""The evaluation's mathematics, and that no baseline is told what it should not know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from streamer import registry
from streamer.judge import ACTIONS
from streamer.learning.baselines import BASELINES, Baseline, Given
from streamer.learning.ceiling import ceiling
from streamer.learning.dataset import Dataset
from streamer.learning.evaluate import (
    Row,
    draws_of,
    faithful,
    of_seeds,
    ranked,
    weighted_auc,
)
from streamer.learning.metrics import Interval
from streamer.learning.train import gap
from streamer.scoring.predictor import Predictor, Scores
from streamer.state.features import FEATURES
from tests.support.bundles import SHIPPED

BUYERS = FEATURES.index("buyers")


@given(st.integers(0, 2**32), st.integers(5, 60))
def test_the_weighted_area_is_scikit_learns(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    label = np.array([0, 1, *rng.integers(0, 2, count - 2)])
    score = rng.integers(0, 6, count).astype(float)
    weights = np.stack([np.ones(count, np.int64), 1 + rng.integers(0, 4, count)])
    expected = [roc_auc_score(label, score, sample_weight=weight) for weight in weights]
    np.testing.assert_allclose(weighted_auc(label, score, weights), expected)


def launches(rng: np.random.Generator, start: int, count: int) -> tuple[Dataset, dict[str, str]]:
    """Launches at two ages; those of one kind succeed and are bought early."""
    good = rng.random(count) < 0.3
    x = rng.normal(size=(count, len(FEATURES)))
    x[:, BUYERS] = good + 0.5 * rng.random(count)
    content = np.where(good[:, None], 1.0, -1.0) + rng.normal(size=(count, 40))
    item = np.array([f"item-{start + n}" for n in range(count)])
    words = {i: f"{'fine' if g else 'plain'} thing" for i, g in zip(item, good, strict=True)}
    one = Dataset(
        x=x,
        content=content.astype(np.float32),
        actions=np.zeros((count, len(ACTIONS))),
        age=np.zeros(count),
        launch_day=rng.random(count),
        outcome=good.astype(np.float64),
        label=good.astype(np.int64),
        item=item,
    )
    later = replace(one, age=np.full(count, 7.0))
    both = [np.concatenate([getattr(one, n), getattr(later, n)]) for n in one.__slots__]
    return Dataset(*both), words


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
def test_a_baseline_finds_what_it_looks_at_and_never_reads_the_tests_labels(
    baseline: Baseline,
) -> None:
    rng = np.random.default_rng(0)
    train, words = launches(rng, 0, 300)
    test, more = launches(rng, 300, 100)
    given_ = Given(train, test, words | more, seed=0)
    score = baseline.rank(given_)
    if baseline.name != "recency":
        assert roc_auc_score(test.label, score) > 0.9
    blind = replace(given_, test=replace(test, label=1 - test.label, outcome=-test.outcome))
    np.testing.assert_allclose(baseline.rank(blind), score)


def test_the_gap_is_how_far_scores_are_from_those_at_first_sight() -> None:
    data, _ = launches(np.random.default_rng(0), 0, 50)
    cold = replace(data, age=np.where(data.age == 0.0, -1.0, 7.0))
    logit = np.where(cold.age < 0, 0.5, np.where(np.arange(100) % 2, 2.0, -1.5))
    assert gap(cold, logit) == {7.0: pytest.approx(1.75)}


def test_a_lead_is_the_difference_on_the_same_launches() -> None:
    areas = np.linspace(0.6, 0.8, 41)
    one, other = (Row(n, {0.0: areas + by}, {}, {}) for n, by in (("one", 0.01), ("other", 0.0)))
    assert tuple(one.lead(other, 0.0)) == pytest.approx((0.01, 0.01, 0.01))
    assert one.auc(0.0).value == pytest.approx(0.61)


def test_a_shipped_score_moves_as_its_top_reason_says_when_that_is_taken_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = registry.active(SHIPPED).predictor
    rng = np.random.default_rng(0)
    data, _ = launches(rng, 0, 500)
    x = predictor.mean + predictor.scale * rng.normal(size=data.x.shape)
    content = rng.normal(size=(len(x), predictor.components.shape[1])).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    content[::7] = np.nan
    looks = replace(data, x=x, content=content)
    assert faithful(predictor, looks) >= 0.95
    score = Predictor.score

    def lie(self: Predictor, *given_: object) -> Scores:
        told = score(self, *given_)  # type: ignore[arg-type]
        return replace(told, contributions=-told.contributions, by_feature=-told.by_feature)

    monkeypatch.setattr(Predictor, "score", lie)
    assert faithful(predictor, looks) <= 0.05


def test_launches_whose_weeks_no_label_looks_into_are_ranked_by_themselves() -> None:
    data, _ = launches(np.random.default_rng(0), 0, 400)
    day = np.tile(np.linspace(220, 300, 400), 2)
    data = replace(data, launch_day=day)
    late = day >= 276
    wrong_later = np.where(late, 1.0 - data.label, data.label.astype(float))
    row = ranked("one", data, [wrong_later], draws_of(data, 20), wrong_later, 276.0)
    assert set(row.unseen) == {0.0, 7.0}
    assert row.unseen[0.0] == 0.0
    assert row.auc(0.0).value > 0.3
    assert row.ece[0.0] == pytest.approx(late[:400].mean(), abs=0.02)


def test_seeds_that_err_differently_are_better_averaged_and_told_so() -> None:
    rng = np.random.default_rng(0)
    data, _ = launches(rng, 0, 400)
    draws = draws_of(data, 20)
    scores = [data.label + 2 * rng.normal(size=len(data)) for _ in range(5)]
    alone, together = of_seeds("trees", data, scores, draws, np.mean(scores, axis=0), np.inf)
    assert (alone.name, together.name) == ("trees", "trees, averaged")
    for age in draws:
        assert alone.auc(age).value == pytest.approx(np.mean(alone.by_seed[age]))
        assert together.auc(age).value > alone.auc(age).value + 0.1
        assert together.lead(alone, age).least > 0
    assert alone.ece
    assert not together.ece
    assert len(of_seeds("trees", data, scores[:1], draws, scores[0], np.inf)) == 1
    assert len(of_seeds("text", data, scores, draws, None, np.inf)) == 1


@pytest.mark.parametrize(
    ("rates", "least", "most"), [((0.01, 50.0), 0.999, 1.0), ((2.0,), 0.4, 0.65)]
)
def test_the_ceiling_is_as_high_as_rates_are_apart(
    rates: tuple[float, ...], least: float, most: float
) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.repeat(rates, 4000 // len(rates)))
    assert least <= ceiling(counts, np.zeros(len(counts), np.int64), 0.5) <= most


def test_a_resample_with_one_outcome_alone_is_left_out_of_the_interval() -> None:
    label, score = np.array([0, 0, 1]), np.array([0.1, 0.4, 0.3])
    weights = np.array([[1, 1, 1], [2, 1, 0], [1, 0, 2], [0, 1, 2]])
    areas = weighted_auc(label, score, weights)
    np.testing.assert_array_equal(areas, [0.5, np.nan, 1.0, 0.0])
    interval = Interval.of(areas)
    assert interval == pytest.approx((0.5, 0.025, 0.975))
    assert np.isnan(Interval.of(areas[:2]).least)
