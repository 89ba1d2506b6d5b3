from __future__ import annotations

import numpy as np
import pytest

from streamer.judge import ACTIONS
from streamer.learning import teacher
from streamer.learning.dataset import Dataset
from streamer.learning.fit import FitOptions, fit
from streamer.learning.metrics import auc
from streamer.state.features import FEATURES


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "ROUNDS", 5)


def test_a_feature_that_is_missing_in_every_example_never_moves_a_score() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, len(FEATURES)))
    always_missing = FEATURES.index("conversion")
    x[:, always_missing] = np.nan
    outcome = x[:, 0] + rng.normal(size=600)
    data = Dataset(
        x=x,
        content=rng.normal(size=(600, 40)).astype(np.float32),
        actions=np.zeros((600, len(ACTIONS))),
        age=np.zeros(600),
        launch_day=np.zeros(600),
        outcome=outcome,
        label=(outcome > 1.5).astype(np.int64),
        item=np.arange(600).astype(str),
    )
    predictor = fit(data, FitOptions(folds=2, members=2, components=4))
    assert always_missing not in {*predictor.values.tolist(), *predictor.flags.tolist()}
    assert 0 in predictor.values


def test_what_has_an_effect_in_training_has_it_in_the_score() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6000, len(FEATURES)))
    label = (x[:, 3] - x[:, 7] + 0.3 * rng.normal(size=6000) > 1).astype(np.int64)
    data = Dataset(
        x=x,
        content=rng.normal(size=(6000, 40)).astype(np.float32),
        actions=np.zeros((6000, len(ACTIONS))),
        age=np.zeros(6000),
        launch_day=np.arange(6000.0),
        outcome=x[:, 3] - x[:, 7],
        label=label,
        item=np.arange(6000).astype(str),
    )
    predictor = fit(data, FitOptions(folds=3, members=2, components=4, taught=0.0))
    fresh, content = rng.normal(size=(500, len(FEATURES))), np.zeros((500, 40), np.float32)
    scores = predictor.score(fresh, content, np.zeros(500, np.int64))
    assert auc((fresh[:, 3] - fresh[:, 7] > 1).astype(np.int64), scores.logit) > 0.9
    weighty = np.abs(scores.by_feature).mean(axis=0).argsort()[-2:]
    assert set(weighty.tolist()) == {3, 7}
    assert abs(scores.probability.mean() - label.mean()) < 0.08
