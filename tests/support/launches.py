"""Made-up launches whose success one feature tells."""

from __future__ import annotations

import numpy as np

from streamer.learning.dataset import Dataset
from streamer.state.features import FEATURES


def launches(count: int = 5000) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, len(FEATURES)))
    outcome = x[:, 1] + 0.3 * rng.normal(size=count)
    return Dataset(
        x=x,
        content=rng.normal(size=(count, 40)).astype(np.float32),
        actions=np.zeros(count),
        age=np.zeros(count),
        launch_day=np.linspace(0, 90, count),
        outcome=outcome,
        label=(outcome > 1).astype(np.int64),
        item=np.arange(count).astype(str),
    )
