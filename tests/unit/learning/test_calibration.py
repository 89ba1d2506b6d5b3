"""Probabilities of a stage are right, however few looks there were at it."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.learning.calibration import calibrate
from streamer.learning.dataset import Dataset


def looks(rng: np.random.Generator, **stages: tuple[int, float]) -> tuple[np.ndarray, Dataset]:
    """Logits of so many looks in each stage, and what came of them: of a logit z a success with the
    odds that ``slope`` z + 0.3 says."""
    counts = [count for count, _ in stages.values()]
    actions = np.repeat(
        [{"cold": 0.0, "warming": 5.0, "warm": 90.0}[name] for name in stages], counts
    )
    logit = rng.normal(-1.0, 2.0, sum(counts))
    z = np.repeat([slope for _, slope in stages.values()], counts) * logit + 0.3
    label = (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(np.int64)
    nothing = np.zeros((len(z), 1))
    data = Dataset(
        x=nothing,
        content=nothing.astype(np.float32),
        actions=actions,
        age=nothing[:, 0],
        launch_day=nothing[:, 0],
        outcome=label.astype(np.float64),
        label=label,
        item=np.arange(len(z)).astype(str),
    )
    return logit, data


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
    logit, data = looks(np.random.default_rng(0), cold=(4000, -1.0), warm=(4000, 1.0))
    slope, _ = calibrate(logit, data)
    assert (slope > 0).all()
