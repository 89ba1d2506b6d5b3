"""A feature that says something else of the same events has another version."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from streamer.state.features import FEATURES, VERSIONS
from tests.support import frozen
from tests.support.frozen import Says

HOW = (
    "if that is meant, raise its version in VERSIONS of streamer/state/features.py, so that bundles "
    "that have learnt the former are refused, and write the table: python -m tests.support.frozen"
)


def redefined(before: Mapping[str, Says], now: Mapping[str, Says]) -> list[str]:
    """The features whose definition or version is not what is kept of them."""
    return [
        name
        for name, says in now.items()
        if name not in before
        or before[name].version != says.version
        or frozen.differs(before[name], says)
    ]


def test_every_feature_says_of_a_frozen_history_what_its_version_said(redis_url: str) -> None:
    kept, now = frozen.table(), frozen.said(redis_url)
    changed = redefined(kept, now)
    assert not changed, f"{', '.join(changed)}: not what is kept in frozen.json; {HOW}"
    assert list(kept) == list(FEATURES) == list(VERSIONS)


def test_every_feature_has_something_to_say_of_it() -> None:
    told = {
        name: np.nan_to_num(np.array(says.numbers, float)) for name, says in frozen.table().items()
    }
    assert [name for name, numbers in told.items() if np.ptp(numbers) < 1e-4] == []


@pytest.mark.parametrize(
    ("version", "number", "is_found"),
    [(1, 3.0 * (1 + 1e-9), False), (1, 3.001, True), (1, None, True), (2, 3.0, True)],
)
def test_what_counts_as_another_definition(
    version: int, number: float | None, is_found: bool
) -> None:
    kept, now = {"price": Says(1, [3.0, None])}, {"price": Says(version, [number, None])}
    assert redefined(kept, now) == (["price"] if is_found else [])
    assert redefined({}, now) == ["price"]
