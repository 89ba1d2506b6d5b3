from __future__ import annotations

import numpy as np

from streamer.learning.dataset import Dataset
from streamer.learning.fit import FitOptions, fit
from streamer.state.features import FEATURES


def test_a_feature_that_is_missing_in_every_example_never_moves_a_score() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, len(FEATURES)))
    always_missing = FEATURES.index("conversion")
    x[:, always_missing] = np.nan
    data = Dataset(
        x=x,
        content=rng.normal(size=(600, 40)).astype(np.float32),
        actions=np.zeros(600),
        age=np.zeros(600),
        launch_day=np.zeros(600),
        label=(x[:, 0] + rng.normal(size=600) > 1.5).astype(np.int64),
        item=np.arange(600).astype(str),
    )
    predictor = fit(data, FitOptions(folds=2, components=4))
    assert not predictor.weights[:, always_missing].any()
    assert predictor.weights[:, 0].any()
