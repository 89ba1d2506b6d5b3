"""Boosted trees that the networks learn from beside the labels (distillation; Hinton et al., 2015).

Trees find steps and interactions that a small network would need more launches for; the network
that has learnt from them is as sharp, and says exactly what each input adds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Trees = Callable[[Floats], Floats]
"""P(success) of rows of inputs, where NaN is missing."""

ROUNDS = 220
_RATE = 0.05
_SHARE_OF_INPUTS = 0.5
_SHARE_OF_ROWS = 0.8
_L2 = 5.0
_LIGHTGBM = {
    "objective": "binary",
    "learning_rate": _RATE,
    "num_leaves": 31,
    "min_child_samples": 40,
    "feature_fraction": _SHARE_OF_INPUTS,
    "bagging_fraction": _SHARE_OF_ROWS,
    "bagging_freq": 1,
    "lambda_l2": _L2,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
}
_XGBOOST = {
    "learning_rate": _RATE,
    "max_depth": 6,
    "min_child_weight": 5,
    "colsample_bytree": _SHARE_OF_INPUTS,
    "subsample": _SHARE_OF_ROWS,
    "reg_lambda": _L2,
    "n_jobs": 1,
}


def lightgbm(x: Floats, label: Ints, seed: int) -> Trees:
    """Trees that grow leaf by leaf, of ``x`` (rows, inputs)."""
    from lightgbm import Dataset, train

    model = train({**_LIGHTGBM, "seed": seed}, Dataset(x, label), ROUNDS)
    return lambda rows: np.asarray(model.predict(rows), np.float64)


def xgboost(x: Floats, label: Ints, seed: int) -> Trees:
    """Trees that grow level by level, of ``x`` (rows, inputs)."""
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=ROUNDS, random_state=seed, **_XGBOOST).fit(x, label)
    return lambda rows: model.predict_proba(rows)[:, 1].astype(np.float64)


TEACHERS = (lightgbm, xgboost)
"""Their mean is what the networks learn."""


def held_out(
    x: Floats,
    label: Ints,
    folds: Sequence[tuple[Ints, Ints]],
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Floats:
    """P(success) of each row by trees that have not seen its fold; ``progress`` is told how many
    folds are done. Each processor grows trees of its own: threads that share one wait for one
    another at every leaf, for ever on a busy machine."""

    def said(teacher: Callable[[Floats, Ints, int], Trees], fold: tuple[Ints, Ints]) -> Floats:
        train, test = fold
        return teacher(x[train], label[train], seed)(x[test])

    probability = np.zeros(len(x))
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        told = [[pool.submit(said, teacher, fold) for teacher in TEACHERS] for fold in folds]
        for done, ((_, test), of_fold) in enumerate(zip(folds, told, strict=True), start=1):
            probability[test] = np.mean([each.result() for each in of_fold], axis=0)
            progress(done)
    finally:
        pool.shutdown(cancel_futures=True)
    return probability
