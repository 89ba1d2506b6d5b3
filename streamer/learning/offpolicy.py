"""What another policy would have earned, from a log of what one policy showed and how likely it was.

IPS (Horvitz and Thompson, 1952), self-normalised IPS (Swaminathan and Joachims, NeurIPS 2015) and
doubly robust (Dudík et al., ICML 2011), by the estimators of the Open Bandit Pipeline (Saito et al.,
NeurIPS 2021). These want the probabilities and expected rewards of all actions in every round. The
three estimators need of the actions that were not shown only the sums, so two actions are enough
however many items there are: what was shown, and all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigurationError, DependencyMissing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REPLICATES = 1000
CONFIDENCE = 0.95
ESTIMATORS = ("ips", "snips", "dr")
FEW_ROUNDS = 100.0
"""Below so many effective rounds an estimate rests on a handful of lucky draws."""

OFF, STANDARD_ERRORS = 0.1, 3.0
"""A mean weight that is more than this off 1, and more than so many of its errors, is no chance."""


@dataclass(frozen=True, slots=True)
class Log:
    """A row each time an item was shown in a place.

    ``propensity`` is the probability with which it was shown there, ``target`` the one with which
    the policy in question would have. ``expected`` is the reward expected of it by a model that has
    not seen the row, ``baseline`` that of the policy in question in the same place. ``unit`` numbers
    what is independent of each other: requests, sessions or users.
    """

    reward: Floats
    propensity: Floats
    target: Floats
    expected: Floats
    baseline: Floats
    unit: Ints

    def __len__(self) -> int:
        return len(self.reward)

    def at(self, rows: Ints) -> Log:
        return Log(*(getattr(self, name)[rows] for name in self.__slots__))

    @property
    def effective_rounds(self) -> float:
        """How many rounds of the policy's own the log is worth (Kish, 1965)."""
        weight = self.target / self.propensity
        return float(weight.sum() ** 2 / (weight @ weight)) if weight.any() else 0.0

    @property
    def mean_weight(self) -> tuple[float, float]:
        """Mean of target over propensity, and its standard error over units. Expected is 1 where the
        log could have shown whatever the policy in question would have, and its propensities are
        right: a control variate (Swaminathan and Joachims, 2015)."""
        weight = self.target / self.propensity
        _, unit = np.unique(self.unit, return_inverse=True)
        apart = np.bincount(unit, weight - weight.mean())
        return float(weight.mean()), float(np.sqrt(apart @ apart)) / len(self)

    @property
    def doubtful(self) -> bool:
        """Whether the mean weight is so far from 1 that more than chance is behind it."""
        mean, error = self.mean_weight
        return abs(mean - 1.0) > max(OFF, STANDARD_ERRORS * error)


@dataclass(frozen=True, slots=True)
class Value:
    """Reward a showing, and where it lies with `CONFIDENCE`."""

    value: float
    low: float
    high: float


def evaluate(
    log: Log, seed: int = 0, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Value]:
    """The policy's value by each of `ESTIMATORS`, with percentile bootstrap intervals over units,
    the whole estimator done anew on each sample; ``progress`` is told how many are done.

    Raises ConfigurationError for a log with nothing to go by, DependencyMissing.
    """
    if not len(log):
        raise ConfigurationError("nothing in this log was shown with a known propensity")
    estimators = _estimators()
    samples = np.empty((REPLICATES, len(ESTIMATORS)))
    for done, rows in enumerate(_resampled(log.unit, seed)):
        samples[done] = _values(estimators, log.at(rows))
        progress(done + 1)
    low, high = _interval(samples)
    values = zip(_values(estimators, log), low.tolist(), high.tolist(), strict=True)
    return {name: Value(*told) for name, told in zip(ESTIMATORS, values, strict=True)}


def on_policy(reward: Floats, unit: Ints, seed: int = 0) -> Value:
    """What the policy that made a log earned."""
    samples = np.array([[reward[rows].mean()] for rows in _resampled(unit, seed)])
    low, high = _interval(samples)
    return Value(float(reward.mean()), float(low[0]), float(high[0]))


def _resampled(unit: Ints, seed: int) -> Any:
    """Rows of units drawn with replacement, `REPLICATES` times."""
    _, place = np.unique(unit, return_inverse=True)
    units, rows = int(place.max()) + 1, np.arange(len(place))
    rng = np.random.default_rng(seed)
    for _ in range(REPLICATES):
        times = np.bincount(rng.integers(0, units, units), minlength=units)
        yield np.repeat(rows, times[place])


def _interval(samples: Floats) -> tuple[Floats, Floats]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
    return low, high


def _estimators() -> list[Any]:
    try:
        from obp import ope
    except ImportError:
        raise DependencyMissing("obp", "offpolicy") from None
    return [
        ope.InverseProbabilityWeighting(),
        ope.SelfNormalizedInverseProbabilityWeighting(),
        ope.DoublyRobust(),
    ]


def _values(estimators: list[Any], log: Log) -> list[float]:
    feedback = _as_two_actions(log)
    with np.errstate(invalid="ignore", divide="ignore"):
        return [float(e.estimate_policy_value(**feedback)) for e in estimators]


def _as_two_actions(log: Log) -> Mapping[str, NDArray[Any]]:
    """The log as the Open Bandit Pipeline takes it: action 0 was shown, 1 is everything else."""
    rest = 1.0 - log.target
    weighed = log.baseline - log.target * log.expected
    other = np.divide(weighed, rest, out=np.zeros(len(log)), where=rest > 0)
    return {
        "reward": log.reward,
        "action": np.zeros(len(log), np.int64),
        "pscore": log.propensity,
        "action_dist": np.stack([log.target, rest], axis=1)[:, :, None],
        "estimated_rewards_by_reg_model": np.stack([log.expected, other], axis=1)[:, :, None],
    }
