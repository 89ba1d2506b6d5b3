"""Every feature has words, and the words are of the weightiest reasons, with the right sign."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.events import NewItem
from streamer.scoring.explain import REASONS, Explainer
from streamer.scoring.predictor import Scores
from streamer.state.features import FEATURES, features
from streamer.state.kin import KinTable
from tests.support.bundles import random_predictor
from tests.support.histories import START
from tests.support.touching import DIMENSIONS, ENCODER, known_of, touched_of
from tests.unit.scoring.test_predictor import inputs

Floats = NDArray[np.float64]

PREDICTOR = random_predictor(3)
EXPLAINER = Explainer(PREDICTOR)


def scored(seed: int, count: int = 6) -> tuple[np.ndarray, Scores]:
    x, content, stage = inputs(seed, count)
    return x, PREDICTOR.score(x, content, stage)


def test_every_feature_is_a_reason_with_six_phrases() -> None:
    single = [name for name in FEATURES if not name.startswith("review_v")]
    assert EXPLAINER.reasons == ("content", "review_topics", *single)
    assert len(EXPLAINER.phrases) == 6 * len(EXPLAINER.reasons)
    for place, name in enumerate(EXPLAINER.reasons):
        six = EXPLAINER.phrases[6 * place : 6 * place + 6]
        assert [phrase[:2] for phrase in six] == ["▲ ", "▼ "] * 3, name
        assert all(len(phrase) > 4 and "|" not in phrase for phrase in six), name


@given(st.integers(0, 2**32))
def test_reasons_weigh_together_what_the_contributions_do(seed: int) -> None:
    _, scores = scored(seed)
    weights = EXPLAINER.weights(scores)
    base = scores.contributions[:, 0]
    np.testing.assert_allclose(weights.sum(axis=1) + base, scores.logit, atol=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_the_weightiest_reasons_come_first_and_say_which_way(seed: int, count: int) -> None:
    x, scores = scored(seed)
    weights = EXPLAINER.weights(scores)
    top = EXPLAINER.top(x, np.ones(len(x), bool), weights, count)
    assert top.shape == (len(x), count)
    for row, phrases in enumerate(top.tolist()):
        reasons = [phrase // 6 for phrase in phrases]
        assert len(set(reasons)) == count
        heaviest = np.sort(np.abs(weights[row]))[::-1][:count]
        np.testing.assert_array_equal(np.abs(weights[row][reasons]), heaviest)
        for reason, phrase in zip(reasons, phrases, strict=True):
            sign = "▲" if weights[row][reason] >= 0 else "▼"
            assert EXPLAINER.phrases[phrase].startswith(sign)


@pytest.mark.parametrize(
    ("x", "phrase"),
    [
        (PREDICTOR.mean[None], "▲ what reviews talk about"),
        (np.full((1, len(FEATURES)), np.nan), "▲ no reviews read yet"),
    ],
)
def test_what_reviews_talk_about_is_told_where_there_are_any(x: Floats, phrase: str) -> None:
    weights = np.zeros((1, len(EXPLAINER.reasons)))
    weights[0, EXPLAINER.reasons.index("review_topics")] = 1.0
    top = EXPLAINER.top(x, np.ones(len(x), bool), weights)
    assert EXPLAINER.phrases[top[0, 0]] == phrase


@pytest.mark.parametrize("reason", ["views", "review_topics"])
def test_to_take_a_reason_away_is_to_miss_what_is_there_and_to_have_what_is_not(
    reason: str,
) -> None:
    mine = [i for i, name in enumerate(FEATURES) if name.startswith("review_v")]
    mine = mine if reason == "review_topics" else [FEATURES.index(reason)]
    x = np.tile(PREDICTOR.mean + 1.0, (2, 1))
    x[1, mine] = np.nan
    content = np.zeros((2, DIMENSIONS), np.float32)
    reasons = np.full(2, EXPLAINER.reasons.index(reason))
    without, same = EXPLAINER.without(x, content, reasons)
    assert np.isnan(without[0, mine]).all()
    np.testing.assert_array_equal(without[1, mine], PREDICTOR.mean[mine])
    others = np.setdiff1d(np.arange(len(FEATURES)), mine)
    np.testing.assert_array_equal(without[:, others], x[:, others])
    np.testing.assert_array_equal(same, content)


@pytest.mark.parametrize(
    ("above", "weight", "phrase"),
    [
        (1.0, 9.0, "▲ viewed a lot"),
        (-1.0, 9.0, "▲ viewed little"),
        (1.0, -9.0, "▼ viewed a lot"),
        (-1.0, -9.0, "▼ viewed little"),
    ],
)
def test_a_feature_is_high_or_low_against_the_average(
    above: float, weight: float, phrase: str
) -> None:
    column = FEATURES.index("views")
    x = PREDICTOR.mean[None].copy()
    x[0, column] += above
    weights = np.zeros((1, len(EXPLAINER.reasons)))
    weights[0, EXPLAINER.reasons.index("views")] = weight
    top = EXPLAINER.top(x, np.ones(len(x), bool), weights)
    assert top.shape == (1, REASONS)
    assert EXPLAINER.phrases[top[0, 0]] == phrase


@pytest.mark.parametrize(
    ("reason", "phrase"),
    [
        ("conversion", "▼ not viewed yet"),
        ("brand_momentum", "▼ nothing known of its brand yet"),
        ("rating", "▼ not rated yet"),
        ("content", "▼ its description is not read yet"),
    ],
)
def test_what_is_not_there_yet_is_said_in_words(reason: str, phrase: str) -> None:
    weights = np.zeros((1, len(EXPLAINER.reasons)))
    weights[0, EXPLAINER.reasons.index(reason)] = -9.0
    x = np.full((1, len(FEATURES)), np.nan)
    top = EXPLAINER.top(x, np.zeros(1, bool), weights)
    assert EXPLAINER.phrases[top[0, 0]] == phrase


def test_every_feature_that_can_be_missing_has_words_for_it() -> None:
    items = touched_of([], {"i": known_of(NewItem(item_id="i", time=START, title="x"))})
    seen = features(items, KinTable(), START + 86400.0, ENCODER, DIMENSIONS)
    missing = {name for name, value in zip(FEATURES, seen.x[0], strict=True) if np.isnan(value)}
    for reason in missing & set(EXPLAINER.reasons):
        place = 6 * EXPLAINER.reasons.index(reason)
        low, high, unknown = EXPLAINER.phrases[place : place + 6 : 2]
        assert unknown not in (low, high), reason
