"""How well launches could be told apart by whoever knew all but chance.

A launch has a rate of buyers to come; how many come is Poisson. The rates' distribution is that of
greatest likelihood (Kiefer and Wolfowitz, 1956), found on a grid by EM (Laird, 1978). From it come
each launch's rate, as likely as its outcome makes it, and outcomes that might as well have been.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.learning.metrics import above, auc

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_RATE = 0.005
RATES = 200
EM_STEPS = 300
DRAWS = 20


def ceiling(to_come: Ints, cohort: Ints, quantile: float, seed: int = 0) -> float:
    """The AUC of the true rates on outcomes drawn by them, where success is to be strictly above
    this quantile of one's cohort; ``to_come`` are each launch's buyers after the look."""
    rng = np.random.default_rng(seed)
    rates = np.geomspace(LEAST_RATE, 1.2 * max(1, int(to_come.max())), RATES)
    posterior = _posterior(to_come, rates)
    found = []
    for _ in range(DRAWS):
        chosen = (rng.random((len(to_come), 1)) > posterior.cumsum(axis=1)).sum(axis=1)
        rate = rates[np.minimum(chosen, RATES - 1)]
        found.append(auc(above(rng.poisson(rate), cohort, quantile), rate))
    return float(np.mean(found))


def _posterior(counts: Ints, rates: Floats) -> Floats:
    """P(rate | count), (counts, rates)."""
    logarithm = counts[:, None] * np.log(rates) - rates
    likelihood = np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
    weight = np.full(len(rates), 1 / len(rates))
    for _ in range(EM_STEPS):
        joint = likelihood * weight
        posterior: Floats = joint / joint.sum(axis=1, keepdims=True)
        weight = posterior.mean(axis=0)
    return posterior
