"""From candidates to a board, and from one board to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from streamer.events import RankChange
from streamer.state.line import Line

RESCORED = 0.005
"""A change of probability that is worth telling although the rank stays."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item that may be listed."""

    item_id: str
    probability: float
    stage: str
    reason: str
    title: str


def rank(candidates: Sequence[Candidate], before: Sequence[Line], size: int) -> list[Line]:
    """The best ``size`` candidates by probability; of equals the smaller id first."""
    places = {line.item_id: line.rank for line in before}
    best = sorted(candidates, key=lambda c: (-c.probability, c.item_id))[:size]
    return [
        Line(c.item_id, place, c.probability, c.stage, c.reason, c.title, places.get(c.item_id))
        for place, c in enumerate(best, start=1)
    ]


def changes(before: Sequence[Line], after: Sequence[Line]) -> list[RankChange]:
    """What a reader of the old board must be told to have the new one."""
    old = {line.item_id: line for line in before}
    new = {line.item_id for line in after}
    told = [
        RankChange(item_id=line.item_id, change="left", previous_rank=line.rank)
        for line in before
        if line.item_id not in new
    ]
    return told + [
        _change(line, old.get(line.item_id))
        for line in after
        if _differs(line, old.get(line.item_id))
    ]


def as_told(before: Sequence[Line], after: Sequence[Line]) -> list[Line]:
    """The new board with what a reader of the old one has of it once it is told the changes: moves
    too small to be told add up until they are worth it."""
    old = {line.item_id: line for line in before}
    return [_untold(line, old.get(line.item_id)) for line in after]


def snapshot(after: Sequence[Line], before: Sequence[Line]) -> list[RankChange]:
    """Every line of a board."""
    old = {line.item_id: line for line in before}
    return [_change(line, old.get(line.item_id)) for line in after]


def _differs(line: Line, before: Line | None) -> bool:
    return (
        before is None
        or before.rank != line.rank
        or abs(_told(before) - line.probability) >= RESCORED
    )


def _told(line: Line) -> float:
    return line.probability if line.told is None else line.told


def _untold(line: Line, before: Line | None) -> Line:
    if before is None or _differs(line, before):
        return line
    return replace(line, told=_told(before))


def _change(line: Line, before: Line | None) -> RankChange:
    told = RankChange(
        item_id=line.item_id,
        change="entered" if before is None else "kept" if before.rank == line.rank else "moved",
        rank=line.rank,
        probability=line.probability,
        reason=line.reason,
    )
    if before is not None:
        told.previous_rank = before.rank
    return told
