"""Made-up launches whose success one feature tells, and made-up logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamer.judge import ACTIONS
from streamer.learning.dataset import Dataset, labelled
from streamer.learning.launches import AtAges, Launches
from streamer.learning.looks import Watch, observe
from streamer.learning.outcomes import Outcomes
from streamer.replay.record import Source, TimedRecord
from streamer.state.features import FEATURES
from streamer.state.layout import DAY
from streamer.success import Success


def launches(count: int = 5000) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, len(FEATURES)))
    outcome = x[:, 1] + 0.3 * rng.normal(size=count)
    return Dataset(
        x=x,
        content=rng.normal(size=(count, 40)).astype(np.float32),
        actions=np.zeros((count, len(ACTIONS))),
        age=np.zeros(count),
        launch_day=np.linspace(0, 90, count),
        outcome=outcome,
        label=(outcome > 1).astype(np.int64),
        item=np.arange(count).astype(str),
    )


@dataclass
class Log:
    """Records as a source gives them, in order of time."""

    records: list[TimedRecord]
    name: str = "log"
    about: str = "log"
    start_time: float = 0.0
    last_time: float = 90 * DAY
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = len(self.records)

    def __iter__(self) -> Iterator[TimedRecord]:
        return iter(sorted(self.records, key=lambda record: record.time))


def examples(
    source: Source,
    launches: Launches,
    ages_days: tuple[float, ...],
    success: Success,
    progress: Callable[[int], None] = lambda _: None,
    keep: Path | None = None,
) -> Dataset:
    """The looks at a log's launches, with their labels, read by no encoder."""
    outcomes = Outcomes(launches, success)

    def watched() -> Iterator[TimedRecord]:
        for record in source:
            assert not isinstance(record.value, bytes)
            outcomes.take(record.value)
            yield record

    watch = Watch(AtAges(launches, ages_days), lambda _: (), "none", 4)
    return labelled(observe(watched(), watch, progress, keep), outcomes)
