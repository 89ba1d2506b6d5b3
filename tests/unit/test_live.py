"""Outcomes are told when they are known, and not a moment earlier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.live import caveats, outcomes, stages
from streamer.state.layout import DAY
from streamer.state.shadows import Recorded
from streamer.success import Success
from tests.support.bundles import write_bundle

SUCCESS = Success(horizon_days=10.0, cohort_days=30.0, quantile=0.8)
COHORT = SUCCESS.begins(100)
"""Where a cohort begins."""


def record(
    launch_days: list[float],
    buyers: list[float],
    active: list[float] | None = None,
    candidate: list[float] | None = None,
    stage: list[int] | None = None,
    items: list[str] | None = None,
) -> Recorded:
    count = len(launch_days)
    return Recorded(
        item=np.array(items or [f"i{n}" for n in range(count)], np.bytes_),
        stage=np.array(stage or [0] * count),
        launch=COHORT + DAY * np.array(launch_days),
        active=np.array(active or [0.2] * count),
        candidate=np.array(candidate or [0.3] * count),
        buyers=np.array(buyers),
    )


def test_a_cohort_is_judged_once_its_last_possible_launch_has_passed_its_horizon() -> None:
    recorded = record([0, 1, 2, 3, 29], [1, 2, 3, 4, 50])
    over = COHORT + 40 * DAY
    assert np.isnan(outcomes(recorded, SUCCESS, over - 1)).all()
    assert outcomes(recorded, SUCCESS, over).tolist() == [0, 0, 0, 0, 1]


def test_success_by_another_outcome_than_buyers_is_never_told() -> None:
    by_value = Success.of({"success": {"horizon_days": 10.0, "outcome": "value"}})
    recorded = record([0, 1], [1, 2])
    assert np.isnan(outcomes(recorded, by_value, COHORT + 900 * DAY)).all()


def test_who_has_no_outcome_yet_is_left_out_and_sets_no_bar() -> None:
    found = outcomes(record([0, 1, 2], [5, np.nan, 1]), SUCCESS, COHORT + 90 * DAY)
    assert found.tolist() == pytest.approx([1, np.nan, 0], nan_ok=True)


def test_each_cohort_has_its_own_bar() -> None:
    found = outcomes(record([0, 1, 30, 31], [1, 2, 100, 200]), SUCCESS, COHORT + 200 * DAY)
    assert found.tolist() == [0, 1, 0, 1]


def test_an_item_that_is_there_in_several_stages_counts_once_for_the_bar() -> None:
    names = ["a", "b", "c", "d", "e", "e", "e"]
    days, buyers = [0.0] * 7, [1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0]
    recorded = record(days, buyers, items=names, stage=[0, 0, 0, 0, 0, 1, 2])
    found = outcomes(recorded, SUCCESS, COHORT + 90 * DAY)
    assert found.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_two_models_are_compared_stage_by_stage() -> None:
    rng = np.random.default_rng(0)
    chance = rng.uniform(0, 1, 4000)
    good = rng.uniform(size=4000) < chance**4  # 20 %
    recorded = record(
        [0.0] * 4000,
        np.where(good, 9.0, 1.0).tolist(),
        active=np.full(4000, 0.5).tolist(),
        candidate=(chance**4).tolist(),
        stage=[0] * 3000 + [2] * 1000,
    )
    cold, warm = stages(recorded, Success(10, 30, 0.79), COHORT + 90 * DAY)
    assert (cold.stage, cold.items, cold.known) == ("cold", 3000, 3000)
    assert (warm.stage, warm.items) == ("warm", 1000)
    assert cold.successes == pytest.approx(0.2, abs=0.02)
    assert cold.candidate_error is not None
    assert cold.candidate_error < 0.03
    assert cold.active_error == pytest.approx(0.3, abs=0.02)
    assert cold.active_auc == 0.5
    assert cold.candidate_auc is not None
    assert cold.candidate_auc > 0.8
    assert cold.agreement is None  # one of them tells no item from another
    assert cold.difference == pytest.approx(np.abs(chance[:3000] ** 4 - 0.5).mean())


def test_before_anything_is_known_only_agreement_is_told() -> None:
    recorded = record([0, 1, 2], [np.nan] * 3, active=[0.1, 0.2, 0.3], candidate=[0.2, 0.4, 0.3])
    (cold,) = stages(recorded, SUCCESS, COHORT)
    assert cold.agreement == pytest.approx(0.5)
    assert (cold.known, cold.successes, cold.candidate_error, cold.active_auc) == (
        0,
        None,
        None,
        None,
    )


def test_what_success_is_comes_from_the_manifest() -> None:
    assert Success.of({}) == Success(56.0, 30.0, 0.8)
    assert Success.of({"success": {"horizon_days": 7, "what": "buyers"}}).horizon_days == 7


def test_a_comparison_says_whose_success_it_is_of(tmp_path: Path) -> None:
    about = {"same": {}, "sooner": {"horizon_days": 10.0}, "value": {"outcome": "value"}}
    for name, success in {"used": {}, **about}.items():
        write_bundle(tmp_path, name, success=success)
    assert list(caveats(tmp_path, "same", "used")) == []
    (sooner,) = caveats(tmp_path, "sooner", "used")
    assert "(buyers in 10 days above 80 %" in sooner
    assert "(buyers in 56 days above 80 %" in sooner
    (never,) = caveats(tmp_path, "value", "used")
    assert "never be known" in never
