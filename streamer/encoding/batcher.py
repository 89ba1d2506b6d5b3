"""Which waiting texts share a forward pass, and when it starts.

Texts wait in lanes; a lane's texts have one priority and go through one model. A lane with
enough tokens for several batches is sorted by length and cut into them, so that texts of a
batch are alike in length: that is what avoids padding. The next batch is of the lane whose
oldest text is most urgent, where urgency is the arrival time plus a handicap of the priority:
a description overtakes every review that came less than REVIEW's handicap before it, and
nothing waits for ever (earliest deadline first).

Nothing here knows of threads or tensors, and time is an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, Protocol, TypeVar


class Priority(IntEnum):
    """What goes first. A re-encode repeats what is known already, so it may wait longest."""

    DESCRIPTION = 0
    REVIEW = 1
    REENCODE = 2


HANDICAP_SECONDS = {Priority.DESCRIPTION: 0.0, Priority.REVIEW: 60.0, Priority.REENCODE: 600.0}
"""Longer than the bounded queue takes to drain, so that priorities hold when it is full."""

PLAN_BATCHES = 8
"""Batches cut from one sorting: more of them pad less, and delay a lane's oldest text longer."""


class Job(Protocol):
    """A tokenised text that waits."""

    @property
    def length(self) -> int: ...

    @property
    def arrived(self) -> float: ...


J = TypeVar("J", bound=Job)


@dataclass(frozen=True, slots=True)
class Limits:
    """``tokens`` of one batch, padding included where ``padded``; ``deadline`` is how long a
    lone text waits for company, in seconds. A padded batch is cut before its padding passes
    ``waste``, a share of what is computed."""

    tokens: int
    deadline: float
    padded: bool = False
    waste: float = 0.1


@dataclass(frozen=True, slots=True)
class LaneKey:
    """A lane: one priority, and whatever must not be mixed in one batch."""

    priority: Priority
    model: Hashable


@dataclass(slots=True)
class _Lane(Generic[J]):
    waiting: deque[J] = field(default_factory=deque)
    planned: deque[list[J]] = field(default_factory=deque)
    tokens: int = 0

    def oldest(self) -> float:
        """Arrival of the text that has waited longest in this lane."""
        if self.planned:
            return min(job.arrived for batch in self.planned for job in batch)
        return self.waiting[0].arrived


class Batcher(Generic[J]):
    """Lanes of waiting jobs, and the next batch out of them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lanes: dict[LaneKey, _Lane[J]] = {}

    def __len__(self) -> int:
        return sum(len(lane.waiting) + sum(map(len, lane.planned)) for lane in self._lanes.values())

    def add(self, key: LaneKey, job: J) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        lane.waiting.append(job)
        lane.tokens += job.length

    def take(self, now: float) -> tuple[LaneKey, list[J]] | None:
        """The next batch, or None while it is worth waiting for more.

        Once any lane is ready the most urgent one goes, with or without company: its wait is
        only for the time when there is nothing else to do.
        """
        ready_at = self.ready_at()
        if ready_at is None or ready_at > now:
            return None
        key = min(self._lanes, key=self._urgency)
        lane = self._lanes[key]
        if not lane.planned:
            lane.planned.extend(self._plan(lane))
        batch = lane.planned.popleft()
        if not lane.planned and not lane.waiting:
            del self._lanes[key]
        return key, batch

    def ready_at(self) -> float | None:
        """When `take` will have a batch if nothing else arrives; None without jobs."""
        return min(map(self._ready_at, self._lanes.values()), default=None)

    def _ready_at(self, lane: _Lane[J]) -> float:
        full = lane.planned or lane.tokens >= self.limits.tokens
        return 0.0 if full else lane.waiting[0].arrived + self.limits.deadline

    def _urgency(self, key: LaneKey) -> float:
        return self._lanes[key].oldest() + HANDICAP_SECONDS[key.priority]

    def _plan(self, lane: _Lane[J]) -> Iterable[list[J]]:
        window: list[J] = []
        tokens = 0
        while lane.waiting and tokens < PLAN_BATCHES * self.limits.tokens:
            job = lane.waiting.popleft()
            window.append(job)
            tokens += job.length
        lane.tokens -= tokens
        oldest = window[0]
        batches = cut(sorted(window, key=lambda job: job.length), self.limits)
        batches.sort(key=lambda batch: oldest not in batch)
        return batches


def cut(jobs: list[J], limits: Limits) -> list[list[J]]:
    """Jobs in order of length, as batches within the limits. A job above them goes alone."""
    batches: list[list[J]] = []
    batch: list[J] = []
    tokens = 0
    for job in jobs:
        if batch and _over(len(batch) + 1, tokens + job.length, job.length, limits):
            batches.append(batch)
            batch, tokens = [], 0
        batch.append(job)
        tokens += job.length
    if batch:
        batches.append(batch)
    return batches


def _over(texts: int, tokens: int, longest: int, limits: Limits) -> bool:
    if not limits.padded:
        return tokens > limits.tokens
    computed = texts * longest
    return computed > limits.tokens or computed - tokens > limits.waste * computed
