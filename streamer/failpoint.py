"""Failure points: between any two steps from fetch to commit the process can be made to die.

``STREAMER_FAILPOINT=kin:2`` kills it, as kill -9 does, when it passes the point `kin` for the second
time. Without that variable a point costs a comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

Point = Literal[
    # A partition is taken on
    "born",
    "start-decided",
    "watermarks-begun",
    # A chunk
    "fetched",
    "read",
    "aggregated",
    "script",
    "items",
    "kin",
    "encodings",
    "sent",
    "dead-letters",
    "texts",
    "scores",
    "filing",
    "filed",
    "announced",
    "done",
    "committing",
    "committed",
    # A board
    "decision-read",
    "decided",
    "told",
    "marked",
    "ranked",
    # An item that expires
    "forgetting",
    "forgotten",
]

T = TypeVar("T")

_armed, _, _pass = os.environ.get("STREAMER_FAILPOINT", "").partition(":")
_left = int(_pass or 1)


def passing(point: Point) -> None:
    """Marks a point between two steps."""
    if _armed:
        _count(point)


def apart(point: Point, calls: Sequence[T]) -> Iterator[Sequence[T]]:
    """The calls at once; one by one, with the point behind each, where that point is armed."""
    if _armed != point:
        yield calls
        return
    for call in calls:
        yield [call]
        _count(point)


def _count(point: Point) -> None:
    global _left
    if point == _armed:
        _left -= 1
        if not _left:
            os.kill(os.getpid(), signal.SIGKILL)
