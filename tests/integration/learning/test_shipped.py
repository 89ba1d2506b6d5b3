"""The launch bundle that comes with streamer keeps what the README says of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest

from streamer.learning.examples import examples
from streamer.learning.provenance import fingerprint
from streamer.learning.study import journey
from streamer.learning.train import measure
from streamer.registry import active
from streamer.settings import load
from tests.support.bundles import SHIPPED
from tests.support.steps import SilentSteps

LEAST_AUC = {"0d": 0.89, "1d": 0.90, "3d": 0.912, "7d": 0.928, "14d": 0.943}
AGES = ("first_sight", "0d", "1h", "1d", "3d", "7d", "14d", "28d")
MOST_CALIBRATION_ERROR = 0.02


def is_as_good_as_it_has_to_be(metrics: Mapping[str, float]) -> None:
    found = {age: metrics[f"auc.age_{age}"] for age in AGES}
    assert all(found[age] >= least for age, least in LEAST_AUC.items())
    assert all(metrics[f"ece.age_{age}"] <= MOST_CALIBRATION_ERROR for age in found)
    assert all(earlier <= later for earlier, later in pairwise(found.values())), "falls with age"


def test_the_shipped_predictor_is_as_good_as_it_has_to_be_at_every_age() -> None:
    is_as_good_as_it_has_to_be(active(SHIPPED).manifest["metrics"])


@pytest.mark.slow
def test_the_shipped_predictor_does_on_the_test_launches_what_it_tells() -> None:
    """Encodes, replays and scores them again."""
    bundle = active(SHIPPED)
    settings = load(encoder="minilm-en", model_store=SHIPPED)
    _, of = examples(settings, journey(settings), SilentSteps())
    assert fingerprint(of.test) == bundle.manifest["test_fingerprint"]
    found = measure(bundle.predictor, of.test)
    told = {name: bundle.manifest["metrics"][name] for name in found}
    assert found == pytest.approx(told, abs=1e-3)
    is_as_good_as_it_has_to_be(found)
