"""Probabilities of a stage are right, however few looks there were at it."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.learning.calibration import calibrate
from streamer.learning.dataset import Dataset
from streamer.scoring.predictor import STAGES

Looks = tuple[np.ndarray, Dataset, np.ndarray]


def looks(rng: np.random.Generator, **stages: tuple[int, float]) -> Looks:
    """Logits of so many looks in each stage, what came of them, and their stages: of a logit z a
    success with the logit that the stage's slope times z, and 0.3, says."""
    stage = np.repeat([STAGES.index(name) for name in stages], [n for n, _ in stages.values()])
    slopes = np.repeat([slope for _, slope in stages.values()], [n for n, _ in stages.values()])
    logit = rng.normal(-1.0, 2.0, len(stage))
    label = (rng.random(len(stage)) < 1 / (1 + np.exp(-slopes * logit - 0.3))).astype(np.int64)
    nothing = np.zeros(len(stage))
    data = Dataset(
        x=nothing[:, None],
        content=nothing[:, None].astype(np.float32),
        actions=nothing,
        age=nothing,
        launch_day=nothing,
        outcome=label.astype(np.float64),
        label=label,
        item=np.arange(len(stage)).astype(str),
    )
    return logit, data, stage


def test_a_stage_of_many_looks_is_calibrated_by_its_own() -> None:
    rng = np.random.default_rng(0)
    slope, offset = calibrate(*looks(rng, cold=(20_000, 1.2), warming=(20_000, 0.8)))
    assert slope[:2] == pytest.approx([1.2, 0.8], abs=0.06)
    assert offset[:2] == pytest.approx([0.3, 0.3], abs=0.06)


@pytest.mark.parametrize("count", [0, 1, 3, 12, 30])
def test_a_stage_of_few_looks_leans_on_all(count: int) -> None:
    """By itself it would have slopes of anything between 0 and thousands."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        slope, offset = calibrate(*looks(rng, cold=(6000, 1.2), warm=(count, 1.2)))
        assert slope[2] == pytest.approx(1.2, abs=0.3)
        assert offset[2] == pytest.approx(0.3, abs=0.4)


def test_logits_that_say_the_contrary_are_never_turned_around() -> None:
    rng = np.random.default_rng(0)
    slope, _ = calibrate(*looks(rng, cold=(4000, -1.0), warm=(4000, 1.0)))
    assert (slope > 0).all()
