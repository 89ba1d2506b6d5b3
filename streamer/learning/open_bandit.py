"""The Open Bandit Dataset's sample: two policies of one shop, each a check on what is said of it
from the other's log.

One policy shows items at random, the other by Bernoulli Thompson sampling, which went on learning
in that week. Its propensities are logged for what it showed and not for what it did not, so the
Thompson policy that is evaluated is its average over the week: how often it showed each item in
each position. (The priors that come with the Open Bandit Pipeline are not that policy: their
probabilities correlate by 0.05 to 0.56 with those logged.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamer.learning.offpolicy import Log, Value, on_policy
from streamer.replay.sources.packaged import packaged

Campaign = Literal["all", "men", "women"]
FOLDS = 3
POLICIES = {"random": "random", "thompson": "bts"}
"""Our name of a policy, and its folder in the package."""
_USER = [f"user_feature_{n}" for n in range(4)]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Direction:
    """A policy evaluated from the other's log; ``truth`` are the rewards of its own log."""

    logged_by: str
    evaluated: str
    log: Log
    truth: Floats

    def earned(self, seed: int = 0) -> Value:
        """What the evaluated policy earned itself."""
        return on_policy(self.truth, np.arange(len(self.truth)), seed)


def directions(campaign: Campaign, seed: int = 0) -> Iterator[Direction]:
    """Both ways. Raises DependencyMissing."""
    logs = {name: _read(folder, campaign) for name, folder in POLICIES.items()}
    items = 1 + max(int(log["item_id"].max()) for log in logs.values())
    shares = {
        "random": np.full((items, 3), 1.0 / items),
        "thompson": _shares(logs["thompson"], items),
    }
    for logged_by, evaluated in (("random", "thompson"), ("thompson", "random")):
        log = _weighed(logs[logged_by], shares[evaluated], seed)
        truth = logs[evaluated]["click"].to_numpy(np.float64)
        yield Direction(logged_by, evaluated, log, truth)


def _read(folder: str, campaign: Campaign) -> Any:
    import pandas as pd

    path = packaged(
        "obp", "obp", "offpolicy", "dataset", "obd", folder, campaign, f"{campaign}.csv"
    )
    return pd.read_csv(path, index_col=0)


def _shares(log: Any, items: int) -> Floats:
    """How often each item was shown in each position; shape (items, positions)."""
    counts = np.zeros((items, 3))
    np.add.at(counts, (log["item_id"], log["position"] - 1), 1.0)
    shares: Floats = counts / counts.sum(axis=0)
    return shares


def _weighed(log: Any, policy: Floats, seed: int) -> Log:
    item, place = log["item_id"].to_numpy(), log["position"].to_numpy() - 1
    rewards, propensity = log["click"].to_numpy(), log["propensity_score"].to_numpy()
    expected = _expected(log, item, place, rewards, propensity, len(policy), seed)
    rows = np.arange(len(item))
    everywhere = np.einsum("nik,ik->nk", expected, policy)
    return Log(
        reward=rewards.astype(np.float64),
        propensity=propensity,
        target=policy[item, place],
        expected=expected[rows, item, place],
        baseline=everywhere[rows, place],
        unit=rows,
    )


def _expected(
    log: Any, item: Any, place: Any, rewards: Any, propensity: Any, items: int, seed: int
) -> Floats:
    """The expected reward of every item in every position, for every round's user; cross-fitted."""
    import pandas as pd
    from obp.ope import RegressionModel
    from sklearn.linear_model import LogisticRegression

    context = pd.get_dummies(log[_USER], drop_first=True).to_numpy(np.float64)
    model = RegressionModel(
        n_actions=items, len_list=3, base_model=LogisticRegression(C=0.1, max_iter=500)
    )
    found: Floats = model.fit_predict(
        context=context,
        action=item,
        reward=rewards,
        pscore=propensity,
        position=place,
        n_folds=FOLDS,
        random_state=seed,
    )
    return found
