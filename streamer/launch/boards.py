"""Which boards an item competes on, and when it may be listed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.state.known import Facts

EVERYTHING = "all"
DAY_SECONDS = 86400.0


def boards_of(facts: Facts) -> tuple[str, ...]:
    """The boards of an item: one for its widest class in the catalogue, and the one of all items.
    A class without a name has none."""
    return _boards(facts.category)


@lru_cache(maxsize=10_000)
def _boards(category: tuple[str, ...]) -> tuple[str, ...]:
    widest = next((name for name in category if name.strip()), EVERYTHING)
    return (EVERYTHING,) if widest == EVERYTHING else (EVERYTHING, widest)


def may_be_listed(facts: Facts, now: float, launch_window_days: float) -> bool:
    """Whether an item is a launch that can be shown: launched, within its window, in stock, not
    withdrawn."""
    return facts.offered and bool(_in_window(now - facts.launch_time, launch_window_days))


def competes(facts: Facts | None, board: str, now: float, launch_window_days: float) -> bool:
    """Whether an item may be listed on this board."""
    return (
        facts is not None
        and board in boards_of(facts)
        and may_be_listed(facts, now, launch_window_days)
    )


def listable(beside: NDArray[np.void], now: float, launch_window_days: float) -> NDArray[np.bool_]:
    """Which of the items may be listed, of which these known.BESIDE columns are."""
    listed: NDArray[np.bool_] = beside["offered"] & _in_window(
        now - beside["launch"], launch_window_days
    )
    return listed


def _in_window(age_seconds: Any, launch_window_days: float) -> Any:
    return (age_seconds >= 0) & (age_seconds <= launch_window_days * DAY_SECONDS)
