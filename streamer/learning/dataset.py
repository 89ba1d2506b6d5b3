"""Training examples: looks at items with features, and labels that look only forward."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigurationError
from streamer.events import Behaviour, Encoding, NewItem
from streamer.learning.looks import Looks, Watch, observe
from streamer.replay.record import Source, TimedRecord

DAY = 86400.0

Floats = NDArray[np.float64]

Outcome = Literal["buyers", "value", "repeat_rate", "return_rate"]
"""What is counted of a launch until its horizon: distinct buyers, sales value, the share of buyers
who bought again, purchases returned for each made (where a high probability is bad news)."""


@dataclass(frozen=True, slots=True)
class Launches:
    """Which launches are learnt from, and what success is.

    A launch is an item's first upsert from ``first_day`` to before ``last_day`` after ``day_zero``
    (seconds). It is a success if its ``outcome`` within ``horizon_days`` is strictly above the
    ``quantile`` of its cohort: launches of the same ``cohort_days``.
    """

    day_zero: float
    first_day: float
    last_day: float
    horizon_days: float = 56.0
    cohort_days: float = 30.0
    quantile: float = 0.8
    outcome: Outcome = "buyers"

    def includes(self, item: NewItem) -> bool:
        return self.first_day <= self.day(item.time) < self.last_day

    def day(self, time: float) -> float:
        return (time - self.day_zero) / DAY


@dataclass(frozen=True, slots=True)
class AtAges:
    """Looks at each launch at the same ages, in days."""

    launches: Launches
    ages_days: tuple[float, ...]

    def __call__(self, item: NewItem) -> tuple[float, ...]:
        return self.ages_days if self.launches.includes(item) else ()


@dataclass(frozen=True, slots=True)
class AtMoments:
    """Looks at all launches at the same moments, in days since ``day_zero``, while they are at
    most ``within_days`` old."""

    launches: Launches
    days: tuple[float, ...]
    within_days: float

    def __call__(self, item: NewItem) -> tuple[float, ...]:
        launched = self.launches.day(item.time)
        ages = (day - launched for day in self.days) if self.launches.includes(item) else ()
        return tuple(age for age in ages if 0 < age <= self.within_days)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples, a row each: ``x`` (rows, features), ``content`` (rows, dimensions), ``actions``
    (shopper actions so far), ``age`` (days), ``launch_day``, ``outcome`` (what the label is made
    of), ``label`` (0 or 1), ``item``."""

    x: Floats
    content: NDArray[np.float32]
    actions: Floats
    age: Floats
    launch_day: Floats
    outcome: Floats
    label: NDArray[np.int64]
    item: NDArray[np.str_]

    def where(self, mask: NDArray[np.bool_]) -> Dataset:
        return Dataset(*(getattr(self, name)[mask] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.label)

    def save(self, path: Path) -> None:
        arrays = {name: getattr(self, name) for name in self.__slots__}
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Dataset:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in cls.__slots__})


def build(
    source: Source,
    launches: Launches,
    ages_days: Callable[[NewItem], Sequence[float]],
    encodings: Mapping[str, Encoding],
    fingerprint: str,
    dimensions: int,
    progress: Callable[[int], None] = lambda _: None,
    keep: Path | None = None,
) -> Dataset:
    """Replays the source on an embedded Valkey and collects the examples.

    ``ages_days`` says at which ages an item is looked at; ``encodings`` are the descriptions' by
    item; ``keep`` is as in `observe`. Raises DependencyMissing.
    """
    outcomes = _Outcomes(launches)
    watch = Watch(ages_days, partial(_described, encodings), fingerprint, dimensions)
    return _labelled(observe(outcomes.watching(source), watch, progress, keep), outcomes)


def relabelled(data: Dataset, source: Source, launches: Launches) -> Dataset:
    """The same looks with the labels of other launches' options, which the source is gone through
    for. Raises ConfigurationError where the log has no such outcome."""
    outcomes = _Outcomes(launches)
    for _ in outcomes.watching(source):
        pass
    labels, ids = outcomes.labels(), data.item.tolist()
    if len(set(labels.values())) < 2:
        raise ConfigurationError(
            f"in this log no launch differs in its {launches.outcome}; choose another outcome"
        )
    return replace(
        data,
        outcome=np.array([outcomes.outcome(item_id) for item_id in ids]),
        label=np.array([labels[item_id] for item_id in ids]),
    )


def _described(
    encodings: Mapping[str, Encoding], event: Behaviour | NewItem
) -> tuple[Encoding, ...]:
    if isinstance(event, NewItem) and event.item_id in encodings:
        return (encodings[event.item_id],)
    return ()


@dataclass(slots=True)
class _Tally:
    """What happened to a launch within its horizon."""

    purchases: Counter[str | None] = field(default_factory=Counter)
    value: float = 0.0
    returns: int = 0

    def outcome(self, of: Outcome) -> float:
        buyers = len(self.purchases)
        if of == "buyers":
            return float(buyers)
        if of == "value":
            return self.value
        if of == "repeat_rate":
            return sum(count > 1 for count in self.purchases.values()) / max(buyers, 1)
        return self.returns / max(self.purchases.total(), 1)


class _Outcomes:
    """Counts what becomes of each launch within the horizon while the log goes by."""

    def __init__(self, launches: Launches) -> None:
        self._launches = launches
        self._launched: dict[str, float] = {}
        self._tallies: defaultdict[str, _Tally] = defaultdict(_Tally)

    def watching(self, records: Iterable[TimedRecord]) -> Iterator[TimedRecord]:
        for record in records:
            event = record.value
            if isinstance(event, NewItem):
                self._launched.setdefault(event.item_id, event.time)
            elif isinstance(event, Behaviour):
                self._count(event)
            yield record

    def _count(self, event: Behaviour) -> None:
        launch = self._launched.get(event.item_id)
        if launch is None or event.time > launch + self._launches.horizon_days * DAY:
            return
        if event.type == "purchase":
            tally = self._tallies[event.item_id]
            tally.purchases[event.user_id] += 1
            tally.value += event.value or 0.0
        elif event.type == "return":
            self._tallies[event.item_id].returns += 1

    def outcome(self, item_id: str) -> float:
        return self._tallies[item_id].outcome(self._launches.outcome)

    def labels(self) -> dict[str, int]:
        """1 for each launch strictly above its cohort's quantile, else 0."""
        cohorts: defaultdict[int, list[str]] = defaultdict(list)
        for item_id, time in self._launched.items():
            day = self._launches.day(time)
            if self._launches.first_day <= day < self._launches.last_day:
                cohorts[int(day // self._launches.cohort_days)].append(item_id)
        labels: dict[str, int] = {}
        for members in cohorts.values():
            outcomes = np.array([self.outcome(item_id) for item_id in members])
            bar = np.quantile(outcomes, self._launches.quantile)
            labels |= {m: int(o > bar) for m, o in zip(members, outcomes.tolist(), strict=True)}
        return labels

    def launch_day(self, item_id: str) -> float:
        return self._launches.day(self._launched[item_id])


def _labelled(looks: Looks, outcomes: _Outcomes) -> Dataset:
    labels, ids = outcomes.labels(), looks.item.tolist()
    return Dataset(
        x=looks.x,
        content=looks.content,
        actions=looks.actions,
        age=looks.age,
        launch_day=np.array([outcomes.launch_day(item_id) for item_id in ids]),
        outcome=np.array([outcomes.outcome(item_id) for item_id in ids]),
        label=np.array([labels[item_id] for item_id in ids]),
        item=looks.item,
    )
