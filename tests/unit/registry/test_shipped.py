"""The launch bundle that comes with streamer keeps what the README says of it."""

from __future__ import annotations

from itertools import pairwise

from streamer.registry import active
from tests.support.bundles import SHIPPED

LEAST_AUC = {"0d": 0.89, "1d": 0.90, "3d": 0.912, "7d": 0.928, "14d": 0.943}
AGES = ("first_sight", "0d", "1h", "1d", "3d", "7d", "14d", "28d")
MOST_CALIBRATION_ERROR = 0.02


def test_the_shipped_predictor_is_as_good_as_it_has_to_be_at_every_age() -> None:
    metrics = active(SHIPPED).manifest["metrics"]
    found = {age: metrics[f"auc.age_{age}"] for age in AGES}
    assert all(found[age] >= least for age, least in LEAST_AUC.items())
    assert all(metrics[f"ece.age_{age}"] <= MOST_CALIBRATION_ERROR for age in found)
    assert all(earlier <= later for earlier, later in pairwise(found.values())), "falls with age"
