"""What a process tells of the partitions it holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streamer import metrics
from streamer.app import _export_positions

MINE, OTHER = TP("topic", 0), TP("topic", 1)


def told(gauge: Any) -> dict[tuple[str, str], float]:
    (family,) = gauge.collect()
    return {(s.labels["topic"], s.labels["partition"]): s.value for s in family.samples}


def test_lag_and_position_are_told_of_the_partitions_that_are_held_now() -> None:
    def export(lag: dict[TP, int], positions: dict[TP, int]) -> None:
        consumer = SimpleNamespace(lag=lambda: lag, positions=lambda: positions)
        app: Any = SimpleNamespace(consumer=consumer)
        _export_positions(app)

    export({MINE: 3, OTHER: 0}, {MINE: 7, OTHER: 20})
    assert told(metrics.LAG_RECORDS) == {("topic", "0"): 3, ("topic", "1"): 0}
    assert told(metrics.POSITION_OFFSET) == {("topic", "0"): 7, ("topic", "1"): 20}
    export({MINE: 1}, {MINE: 9})
    assert told(metrics.LAG_RECORDS) == {("topic", "0"): 1}
    assert told(metrics.POSITION_OFFSET) == {("topic", "0"): 9}
