"""What a process tells of the partitions it holds, and that it ends."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streamer import metrics
from streamer.app import _export_positions

MINE, OTHER = TP("topic", 0), TP("topic", 1)

BLOCKED = """
import asyncio, time
from types import SimpleNamespace
from streamer import faust_app
from streamer.errors import Stalled

faust_app.GONE_SECONDS = 0.2

async def main():
    async def stop():
        time.sleep(60)

    async def forever(*_):
        await asyncio.Event().wait()

    ending = asyncio.Event()
    ending.set()
    await faust_app.run(SimpleNamespace(
        finalize=lambda: None, ending=ending, failure=Stalled("it stands still"), stop=stop,
        conf=SimpleNamespace(), topic_ids=forever,
        streamer_settings=SimpleNamespace(topic=lambda name: name),
    ))

asyncio.run(main())
"""
"""A process whose event loop is blocked while its app stops."""


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


def test_a_process_ends_whose_event_loop_stands_still_as_its_app_stops() -> None:
    """By then the watchdog has been stopped with the app."""
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stderr) == (6, "error: it stands still\n")
