"""Platt scaling by stage (Platt, 1999): a stage with few looks leans on what fits all of them.

A stage may have a dozen looks, all of them successes. By its own numbers it would say nothing but
certainties; so slope and offset are those of greatest posterior likelihood, with a normal prior
around those of all looks (empirical Bayes; Efron and Morris, 1975).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from streamer.learning.dataset import Dataset
from streamer.scoring.predictor import STAGES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CALIBRATED = 0.25
"""The share of launches, the latest, that probabilities are calibrated on: success drifts."""
AS_IT_IS = np.array([1.0, 0.0])
"""Slope and offset of a logit that needs no calibration."""
ANYWHERE, STAGES_APART = 10.0, 0.2
"""How far a slope and an offset may lie from what is usual (standard deviations): nobody knows; and
those of a stage. On looks left out this was as good as a stage's own numbers from 1,000 looks on,
and below as those of all looks."""


def calibrate(logit: Floats, data: Dataset, stage: Ints) -> tuple[Floats, Floats]:
    """Slope and offset of held-out logits for each stage, on the latest launches, which are nearest
    to those to come: a stage leans on what fits all of them, the more the fewer looks it has.
    ``stage`` is that of each look."""
    latest = data.launch_day >= np.quantile(data.launch_day, 1 - CALIBRATED)
    usual = _platt(logit[latest], data.label[latest], AS_IT_IS, ANYWHERE)
    parts = [latest & (stage == number) for number in range(len(STAGES))]
    found = [_platt(logit[mine], data.label[mine], usual, STAGES_APART) for mine in parts]
    slope, offset = np.transpose(found)
    return slope, offset


def _platt(logit: Floats, label: Ints, usual: Floats, spread: float) -> Floats:
    """Slope and offset of Platt scaling (Platt, 1999), most likely where both are normally
    distributed around what is usual; that itself where logits say nothing or the contrary."""

    def loss(line: Floats) -> tuple[float, Floats]:
        z, moved = line[0] * logit + line[1], (line - usual) / spread
        wrong = expit(z) - label
        likelihood = np.logaddexp(0.0, z).sum() - label @ z
        gradient = np.array([wrong @ logit, wrong.sum()])
        return likelihood + moved @ moved / 2, gradient + moved / spread

    line: Floats = minimize(loss, usual, jac=True).x
    return line if line[0] > 0 else usual
