"""Off-policy values: right where they can be counted out, and covering the truth where not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import ConfigurationError
from streamer.events import Behaviour
from streamer.learning import offpolicy, open_bandit
from streamer.learning.exposures import Exposures, Hope, exposures
from streamer.learning.offpolicy import ESTIMATORS, Log, evaluate, on_policy
from streamer.replay.record import TimedRecord
from streamer.topology import USER_BEHAVIOUR

pytest.importorskip("obp")

ITEMS, PLACES = 6, 2
CHANCE = np.array([[0.9, 0.5], [0.5, 0.3], [0.3, 0.2], [0.2, 0.1], [0.1, 0.1], [0.05, 0.02]])
"""P(click) by item and place."""


@pytest.fixture(autouse=True)
def fewer_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offpolicy, "REPLICATES", 200)


def simulated(rounds: int, shown: np.ndarray, policy: np.ndarray, seed: int, q: Any = None) -> Log:
    """A log of a policy that shows items with ``shown`` (items, places), weighed for another."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, PLACES, rounds)
    item = np.array([rng.choice(ITEMS, p=shown[:, k]) for k in place])
    reward = (rng.random(rounds) < CHANCE[item, place]).astype(float)
    expected = np.full((ITEMS, PLACES), 0.3) if q is None else q
    return Log(
        reward,
        shown[item, place],
        policy[item, place],
        expected[item, place],
        (expected * policy).sum(axis=0)[place],
        np.arange(rounds),
    )


UNIFORM = np.full((ITEMS, PLACES), 1 / ITEMS)
KEEN = np.array([[0.5, 0.3], [0.2, 0.3], [0.1, 0.1], [0.1, 0.1], [0.05, 0.1], [0.05, 0.1]])
TRUE = {
    "uniform": (CHANCE * UNIFORM).sum(axis=0).mean(),
    "keen": (CHANCE * KEEN).sum(axis=0).mean(),
}


@pytest.mark.parametrize("q", [None, CHANCE], ids=["poor model", "true model"])
@pytest.mark.parametrize(
    ("shown", "policy", "truth"), [(UNIFORM, KEEN, "keen"), (KEEN, UNIFORM, "uniform")]
)
def test_every_estimator_covers_the_true_value_both_ways(
    shown: np.ndarray, policy: np.ndarray, truth: str, q: Any
) -> None:
    found = evaluate(simulated(4000, shown, policy, 1, q))
    assert set(found) == set(ESTIMATORS)
    for name, value in found.items():
        assert value.low <= TRUE[truth] <= value.high, name
        assert value.low <= value.value <= value.high


def test_a_good_model_makes_the_doubly_robust_interval_narrow() -> None:
    def width(q: Any) -> float:
        value = evaluate(simulated(2000, UNIFORM, KEEN, 3, q))["dr"]
        return value.high - value.low

    assert width(CHANCE) < 0.9 * width(None)


def test_a_policy_evaluated_on_its_own_log_earned_what_it_earned() -> None:
    log = simulated(500, KEEN, KEEN, 2, CHANCE)
    found = evaluate(log)
    assert found["ips"].value == pytest.approx(log.reward.mean())
    assert found["snips"].value == pytest.approx(log.reward.mean())
    assert log.effective_rounds == pytest.approx(500)
    told = on_policy(log.reward, log.unit)
    assert told.value == pytest.approx(log.reward.mean())
    assert told.low < told.value < told.high


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_two_actions_are_as_good_as_all_of_them(data: st.DataObject) -> None:
    """The sums that the estimators need of what was not shown are kept exactly."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rounds = data.draw(st.integers(2, 30))
    policy = rng.dirichlet(np.ones(ITEMS) * data.draw(st.sampled_from([0.01, 1.0])), rounds)
    q, item = rng.random((rounds, ITEMS)), rng.integers(0, ITEMS, rounds)
    rows, propensity = np.arange(rounds), rng.uniform(0.05, 1, rounds)
    reward = rng.integers(0, 2, rounds).astype(float)
    log = Log(reward, propensity, policy[rows, item], q[rows, item], (q * policy).sum(axis=1), rows)
    whole = {
        "reward": reward,
        "action": item,
        "pscore": propensity,
        "action_dist": policy[:, :, None],
        "estimated_rewards_by_reg_model": q[:, :, None],
    }
    estimators = offpolicy._estimators()
    with np.errstate(all="ignore"):
        expected = [float(e.estimate_policy_value(**whole)) for e in estimators]
    np.testing.assert_allclose(offpolicy._values(estimators, log), expected, rtol=1e-9, atol=1e-12)


def test_weights_average_one_unless_the_log_is_of_something_else() -> None:
    assert not simulated(4000, UNIFORM, KEEN, 6).doubtful
    wrong = simulated(4000, UNIFORM, KEEN / 2, 6)
    assert wrong.mean_weight[0] == pytest.approx(0.5, abs=0.05)
    assert wrong.doubtful
    few = simulated(20, UNIFORM, KEEN / 2, 6)
    assert few.mean_weight[1] > wrong.mean_weight[1]
    again = wrong.at(np.repeat(np.arange(len(wrong)), 100))
    assert again.mean_weight == pytest.approx(wrong.mean_weight)


def test_rows_of_one_shopper_go_together() -> None:
    """A hundred times the same row is one observation, and the interval says so."""
    log = simulated(60, UNIFORM, KEEN, 4)
    many = log.at(np.repeat(np.arange(60), 100))
    one, hundred = (evaluate(each)["ips"] for each in (log, many))
    assert hundred.high - hundred.low == pytest.approx(one.high - one.low, rel=0.15)


def test_nothing_to_go_by_is_told() -> None:
    nothing = Log(*(np.empty(0) for _ in range(5)), np.empty(0, np.int64))
    with pytest.raises(ConfigurationError, match="known propensity"):
        evaluate(nothing)
    apart = simulated(50, UNIFORM, np.zeros((ITEMS, PLACES)), 5)
    assert apart.effective_rounds == 0.0


def test_on_the_open_bandit_sample_each_interval_covers_what_was_earned() -> None:
    ways = list(open_bandit.directions("all"))
    assert [(w.logged_by, w.evaluated) for w in ways] == [
        ("random", "thompson"),
        ("thompson", "random"),
    ]
    for way in ways:
        assert len(way.log) == len(way.truth) == 10_000
        assert way.log.target.max() <= 1.0
        weight = way.log.target / way.log.propensity
        assert weight.mean() == pytest.approx(1.0, abs=0.1)
        truth = way.earned()
        for name, value in evaluate(way.log).items():
            assert value.low <= truth.value <= value.high, name


def act(kind: str, item: str, time: float, who: str | None = "s", **more: Any) -> TimedRecord:
    event = Behaviour(item_id=item, type=kind, time=time, session=who, **more)  # type: ignore[arg-type]
    return TimedRecord(USER_BEHAVIOUR, item.encode(), event, time, kind)


def shown(records: Sequence[TimedRecord]) -> Exposures:
    return exposures(records, Hope("click", 100.0))


def test_a_click_counts_for_the_last_impression_before_it_and_only_for_a_while() -> None:
    found = shown(
        [
            act("impression", "a", 0.0, propensity=0.5, position=3),
            act("impression", "a", 10.0, propensity=0.25),
            act("impression", "a", 10.0, "other", propensity=0.25, board="Kitchen"),
            act("click", "a", 50.0),
            act("purchase", "a", 60.0, "other"),
            act("impression", "b", 100.0, propensity=0.1),
            act("click", "b", 201.0),
        ]
    )
    assert found.reward == [0.0, 1.0, 0.0, 0.0]
    assert found.place == [2, 0, 0, 0]
    assert found.propensity == [0.5, 0.25, 0.25, 0.1]
    assert found.shopper == [0, 0, 1, 0]
    assert found.board == ["all", "all", "Kitchen", "all"]


def test_what_was_shown_without_a_propensity_is_left_out_and_takes_its_clicks_with_it() -> None:
    found = shown(
        [
            act("impression", "a", 0.0, propensity=0.5),
            act("impression", "a", 1.0),
            act("click", "a", 2.0),
            act("impression", "b", 3.0, None, propensity=0.5),
        ]
    )
    assert (len(found), found.reward) == (1, [0.0])
    assert found.left_out == {"a propensity": 1, "a session or user": 1}


def test_a_click_may_come_in_another_session_of_the_same_user() -> None:
    found = shown(
        [
            act("impression", "a", 0.0, "s1", user_id="u", propensity=0.5),
            act("impression", "a", 1.0, "s2", user_id="other", propensity=0.5),
            act("impression", "a", 2.0, "u", propensity=0.5),
            act("click", "a", 3.0, "s3", user_id="u"),
            act("click", "a", 4.0, "s2"),
        ]
    )
    assert found.reward == [1.0, 1.0, 0.0]
    assert found.shopper == [0, 1, 2]


def test_a_late_click_takes_nothing_back() -> None:
    found = shown(
        [
            act("impression", "a", 0.0, propensity=0.5),
            act("click", "a", 1.0),
            act("click", "a", 500.0),
        ]
    )
    assert found.reward == [1.0]
