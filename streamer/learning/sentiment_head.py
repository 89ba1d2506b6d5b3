"""Fits sentiment heads on frozen states, takes the best, calibrates it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from streamer.encoding.sentiment import Head
from streamer.learning.metrics import auc

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
States = NDArray[np.float32]

PENALTIES = (0.003, 0.01, 0.03)
"""Inverse strengths of the ridge that compete."""
MAX_LAYERS = 4
THRESHOLDS = np.linspace(0.05, 0.95, 181)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A head that competed, on how many layers, and how it ranks the dev reviews."""

    layers: int
    penalty: float
    auc: float
    head: Head


def compete(
    states: States,
    label: Labels,
    dev_states: States,
    dev_label: Labels,
    dimensions: int,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Candidate]:
    """Heads on the last layer, the last two, … and with several penalties, the best on the dev
    reviews first, and calibrated on them. ``states`` is [reviews, layers * dimensions];
    ``progress`` is told how many heads more are done."""
    found: list[Candidate] = []
    for layers in range(1, states.shape[1] // dimensions + 1):
        width = layers * dimensions
        for penalty in PENALTIES:
            head = _fit(states[:, :width], label, penalty)
            score = auc(dev_label, head.probability(dev_states[:, :width]))
            calibrated = _calibrated(head, dev_states[:, :width], dev_label)
            found.append(Candidate(layers, penalty, score, calibrated))
            progress(1)
    return sorted(found, key=lambda candidate: -candidate.auc)


def threshold(label: Labels, probability: Floats) -> float:
    """The least P(positive) to call positive that gives the best macro-F1."""
    scores = [f1_score(label, probability >= t, average="macro") for t in THRESHOLDS]
    return float(THRESHOLDS[int(np.argmax(scores))])


def _fit(states: States, label: Labels, penalty: float) -> Head:
    scaler = StandardScaler().fit(states)
    model = LogisticRegression(C=penalty, max_iter=300, tol=1e-3)
    model.fit(scaler.transform(states), label)
    weight = model.coef_[0] / scaler.scale_
    return Head(weight.astype(np.float32), float(model.intercept_[0] - weight @ scaler.mean_))


def _calibrated(head: Head, states: States, label: Labels) -> Head:
    """Platt scaling, which keeps the head linear."""
    logit = states.astype(np.float64) @ head.weight + head.bias
    platt = LogisticRegression(C=1e6).fit(logit[:, None], label)
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    return Head((slope * head.weight).astype(np.float32), slope * head.bias + offset)
