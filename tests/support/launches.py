"""Made-up launches whose success one feature tells, and made-up logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from streamer.learning.dataset import DAY, Dataset
from streamer.replay.record import TimedRecord
from streamer.state.features import FEATURES


def launches(count: int = 5000) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, len(FEATURES)))
    outcome = x[:, 1] + 0.3 * rng.normal(size=count)
    return Dataset(
        x=x,
        content=rng.normal(size=(count, 40)).astype(np.float32),
        actions=np.zeros(count),
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
