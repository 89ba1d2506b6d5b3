"""Boosted trees that the networks learn from beside the labels (distillation; Hinton et al., 2015).

Trees find steps and interactions that a small network would need more launches for; the network
that has learnt from them is as sharp, and says exactly what each input adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDS = 220
_OPTIONS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_child_samples": 40,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
}


def boosted(x: Floats, label: Ints, seed: int) -> Any:
    """LightGBM trees of ``x`` (rows, inputs), where NaN is missing; has ``predict``."""
    import lightgbm

    return lightgbm.train({**_OPTIONS, "seed": seed}, lightgbm.Dataset(x, label), ROUNDS)


def held_out(
    x: Floats,
    label: Ints,
    folds: Sequence[tuple[Ints, Ints]],
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Floats:
    """P(success) of each row by trees that have not seen its fold; ``progress`` is told how many
    folds are done."""
    probability = np.zeros(len(x))
    for done, (train, test) in enumerate(folds, start=1):
        probability[test] = boosted(x[train], label[train], seed).predict(x[test])
        progress(done)
    return probability
