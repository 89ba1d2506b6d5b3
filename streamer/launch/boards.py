"""Which boards an item competes on, and when it may be listed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from streamer.state.known import Facts, Known

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
    return facts.offered and 0 <= now - facts.launch_time <= launch_window_days * DAY_SECONDS


def listable(items: Sequence[Known], now: float, launch_window_days: float) -> list[bool]:
    """Which of the items may be listed."""
    earliest = now - launch_window_days * DAY_SECONDS
    return [
        bool(known.facts and known.facts.offered and earliest <= known.facts.launch_time <= now)
        for known in items
    ]
