"""A bundle that is measured on what it has learnt from is told to be."""

from __future__ import annotations

import pytest

from streamer import registry
from streamer.cli.evaluate import _by
from streamer.learning.launches import Launches
from streamer.learning.study import Study
from streamer.replay.sources.complete_journey import DAY_ZERO
from tests.support.bundles import SHIPPED
from tests.support.launches import Log


@pytest.mark.parametrize(
    ("name", "test_from_day", "told"),
    [
        ("Complete Journey", 155.0, True),
        ("Complete Journey", 220.0, False),
        ("Complete Journey", 250.0, False),
        ("another shop", 155.0, False),
    ],
)
def test_a_bundle_that_learnt_from_the_test_launches_is_told(
    capsys: pytest.CaptureFixture[str], name: str, test_from_day: float, told: bool
) -> None:
    source = Log([], name=name)
    launches = Launches(day_zero=DAY_ZERO, first_day=90.0, last_day=309.0)
    _by(Study(source, [], launches, test_from_day), registry.active(SHIPPED), told=True)  # type: ignore[arg-type]
    assert ("its own row says nothing" in capsys.readouterr().err) is told
