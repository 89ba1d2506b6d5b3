from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import registry
from streamer.events import Behaviour
from streamer.learning.looks import Looks
from streamer.learning.review_term import (
    LATER_REVIEWS,
    Examples,
    ReviewTerm,
    examples,
    fit_term,
    graft,
)
from streamer.replay.record import TimedRecord
from streamer.scoring.explain import Explainer
from streamer.scoring.predictor import Predictor
from streamer.state.features import FEATURES, REVIEW
from streamer.topology import USER_BEHAVIOUR
from tests.support.bundles import DIMENSIONS, random_predictor

TERM = ("sentiment", "rating")
SENTIMENT, RATING, REVIEWS = (FEATURES.index(name) for name in (*TERM, "reviews"))
STORE = Path(__file__).parents[3] / "model_store"

term = ReviewTerm(
    TERM,
    mean=np.array([0.75, 4.1]),
    scale=np.array([0.08, 0.7]),
    least=np.array([0.5, 1.0]),
    greatest=np.array([0.95, 5.0]),
    weights=np.array([[0.3, 0.2], [0.4, 0.1], [0.35, 0.0]]),
    metrics={},
)
grafted = graft(random_predictor(), term)
shipped = registry.active(STORE).predictor


def items(count: int) -> np.ndarray:
    """Features of items without reviews."""
    x = np.random.default_rng(1).normal(size=(count, len(FEATURES)))
    for name in REVIEW:
        x[:, FEATURES.index(name)] = 0.0 if name in ("reviews", "ratings") else np.nan
    return x


def reviews_add(predictor: Predictor, x: np.ndarray) -> np.ndarray:
    """What reviews add to each logit."""
    content = np.full((len(x), predictor.components.shape[1]), np.nan, np.float32)
    scores = predictor.score(x, content, np.ones(len(x), np.int64))
    np.testing.assert_allclose(scores.contributions.sum(axis=1), scores.logit, atol=1e-12)
    return scores.contributions[:, predictor.names.index("reviews")]


@pytest.mark.parametrize("predictor", [grafted, shipped], ids=["grafted", "shipped"])
def test_without_reviews_the_term_is_exactly_zero(predictor: Predictor) -> None:
    assert (reviews_add(predictor, items(20)) == 0).all()


@pytest.mark.parametrize("predictor", [grafted, shipped], ids=["grafted", "shipped"])
@given(st.lists(st.floats(0, 1), min_size=2, max_size=2), st.sampled_from([SENTIMENT, RATING]))
def test_better_reviews_never_lower_a_score(
    predictor: Predictor, values: list[float], feature: int
) -> None:
    x = items(2)
    x[:, [SENTIMENT, RATING]] = 0.7, 4.0
    low, high = sorted(values)
    x[:, feature] = (low, high) if feature == SENTIMENT else (1 + 4 * low, 1 + 4 * high)
    worse, better = reviews_add(predictor, x)
    assert worse <= better


@pytest.mark.parametrize("predictor", [grafted, shipped], ids=["grafted", "shipped"])
def test_good_reviews_help_and_bad_ones_hurt_no_matter_how_many(predictor: Predictor) -> None:
    x = items(2)
    x[:, REVIEWS] = np.log1p([3, 3000])
    x[:, [SENTIMENT, RATING]] = (0.55, 2.0)
    assert (reviews_add(predictor, x) < -0.2).all()
    x[:, [SENTIMENT, RATING]] = (0.9, 5.0)
    assert (reviews_add(predictor, x) > 0.2).all()


def test_the_rest_of_the_predictor_stays_as_it_was() -> None:
    before, x = random_predictor(), items(10)
    content = np.zeros((10, DIMENSIONS), np.float32)
    stage = np.zeros(10, np.int64)
    expected = before.score(x, content, stage)
    np.testing.assert_array_equal(grafted.score(x, content, stage).logit, expected.logit)


def test_an_explanation_says_in_words_what_reviews_did() -> None:
    explainer = Explainer(shipped)
    x = items(2)
    x[:, [SENTIMENT, RATING]] = (0.55, 1.5), (0.93, 5.0)
    content = np.full((2, shipped.components.shape[1]), np.nan, np.float32)
    weights = explainer.weights(shipped.score(x, content, np.ones(2, np.int64)))
    phrases = [
        {explainer.phrases[p] for p in row}
        for row in explainer.top(x, np.ones(len(x), bool), weights, len(explainer.reasons)).tolist()
    ]
    assert {"▼ reviews are negative", "▼ rated badly"} <= phrases[0]
    assert {"▲ reviews are positive", "▲ rated well"} <= phrases[1]


def planted(effect: float) -> Examples:
    rng = np.random.default_rng(3)
    x = items(800)
    x[:, SENTIMENT], x[:, RATING] = rng.normal(0.75, 0.1, 800), rng.normal(4, 0.5, 800)
    logit = effect * (x[:, SENTIMENT] - 0.75) / 0.1
    label = (rng.random(800) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    return Examples(x, label, label, np.full(800, 7.0), np.repeat(np.arange(200), 4).astype(str))


def test_a_planted_effect_is_found_on_items_that_were_not_learnt_from() -> None:
    found = fit_term(planted(1.5), TERM, 5, 0)
    assert found.weights.shape == (5, 2)
    np.testing.assert_allclose(found.weights[:, 0], 1.5, atol=0.3)
    assert found.metrics["review_term.auc"] > 0.75
    assert found.metrics["review_term.ece"] < 0.08


def test_an_effect_of_the_wrong_sense_is_left_out() -> None:
    found = fit_term(planted(-1.5), TERM, 5, 0)
    assert not found.weights[:, 0].any()
    assert (found.weights >= 0).all()


def test_a_missing_feature_is_as_good_as_the_usual_one() -> None:
    z = term.standardised(np.array([[np.nan, 4.1], [0.95, 7.0]]))
    np.testing.assert_allclose(z[0], 0)
    assert z[1, 1] == pytest.approx((5.0 - 4.1) / 0.7)


RECOMMENDED = {
    f"{item}{n}": int(n < 4 * good) for good, item in enumerate("abc") for n in range(12)
}


class Shop:
    """Three products, the better the later in the alphabet."""

    name = about = "three products"
    start_time, last_time, total = 100.0, 111.0, len(RECOMMENDED)

    def __iter__(self) -> Iterator[TimedRecord]:
        for event_id in RECOMMENDED:
            time = 100.0 + int(event_id[1:])
            event = Behaviour(item_id=event_id[0], type="review", time=time, event_id=event_id)
            yield TimedRecord(USER_BEHAVIOUR, b"", event, time, "review")


def look_at(names: str, time: float) -> Looks:
    x, count = items(len(names)), len(names)
    x[:, RATING] = 4.0
    empty = np.zeros(count)
    content = np.zeros((count, 1), np.float32)
    return Looks(np.array([*names]), x, content, empty, empty, np.full(count, time))


def test_a_label_is_about_reviews_after_the_look_alone() -> None:
    found = examples(look_at("abc", 101.0), Shop(), RECOMMENDED)
    assert found.item.tolist() == ["a", "b", "c"]
    assert found.label.tolist() == [0, 0, 1]


def test_items_with_few_reviews_to_come_or_none_so_far_are_not_learnt_from() -> None:
    late = 100.0 + 12 - LATER_REVIEWS
    assert not len(examples(look_at("abc", late), Shop(), RECOMMENDED).label)
    unseen = look_at("abc", 101.0)
    unseen.x[1, RATING] = np.nan
    assert examples(unseen, Shop(), RECOMMENDED).item.tolist() == ["a", "c"]
