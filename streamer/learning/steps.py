"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Steps(Protocol):
    """Shows long work: ``step`` opens one of so many units, what it gives is told how far it is."""

    def step(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]: ...


def summing(told: Callable[[int], None]) -> Callable[[int], None]:
    """Turns how many more into how many in all."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        told(done)

    return more
