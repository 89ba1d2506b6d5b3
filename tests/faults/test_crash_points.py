"""A worker dies between any two steps: afterwards everything is as if it had not.

The state and what readers have in the end are compared with a run without a crash, all of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from streamer.failpoint import Point
from streamer.settings import Settings
from tests.faults import crash, results
from tests.faults.crash import Crash
from tests.faults.servers import KAFKA, NO_KAFKA, Kafka
from tests.faults.story import inputs
from tests.support.processes import own_group
from tests.support.snapshot import differences

AT_ONCE = 5
SHARDS = 4
TIMES = (1, 2, 3, 5, 8)
KAFKA_SESSION_SECONDS = 6.0
"""The shortest that Kafka allows."""
KAFKA_TIMES = 3
FEW = {"born": (1,), "start-decided": (1, 2, 4), "watermarks-begun": (1, 2, 4)}
OFTEN_ENOUGH = ("encodings", "filing", "filed", "announced", "committing", "committed", "decided")
FEW |= dict.fromkeys((*OFTEN_ENOUGH, "told", "marked"), (1, 2))
"""What happens once an interval happens at least twice in every run."""
SCRIPTS = tuple(range(1, 4 * SHARDS + 1))
"""Two chunks, each in two phases on every shard."""
EXPIRY = ("forgetting", "forgotten")
"""Tried in test_expiry.py."""
CASES = [
    Crash(point, time)
    for point in get_args(Point)
    if point not in EXPIRY
    for time in (SCRIPTS if point == "script" else FEW.get(point, TIMES))
]
CASES += [replace(case, on_kafka=True) for case in CASES if case.time <= KAFKA_TIMES]
ALWAYS = {"script:3", "items:2", "scores:2", "filed:1", "committing:1", "decided:2"}
ALWAYS |= {"sent:1 on Kafka", "committed:1 on Kafka"}
"""Tried in every test run, the others by `make faults`."""


def _case(case: Crash) -> Any:
    marks = () if str(case) in ALWAYS else (pytest.mark.faults,)
    return pytest.param(case, id=str(case), marks=marks)


@pytest.fixture(scope="module")
def wrong(
    request: pytest.FixtureRequest,
    broker_address: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[str]]:
    """By case of this session what is wrong afterwards. They run beside each other."""
    items = [item for item in request.session.items if item.fspath == request.fspath]  # type: ignore[attr-defined]
    cases = [item.callspec.params["case"] for item in items if hasattr(item, "callspec")]
    folder = tmp_path_factory.mktemp("crashes")
    embedded = [case for case in cases if not case.on_kafka]
    found = asyncio.run(_try_all(broker_address, redis_url, folder, embedded))
    on_kafka = [case for case in cases if case.on_kafka]
    if KAFKA and on_kafka:
        kafka = Kafka(folder)
        try:
            found |= asyncio.run(
                _try_all(
                    kafka.address,
                    redis_url,
                    folder / "on-kafka",
                    on_kafka,
                    session_timeout_seconds=KAFKA_SESSION_SECONDS,
                )
            )
        finally:
            kafka.child.stop()
    results.add("faults.crash_points", len(found), "crashes")
    results.add("faults.differences", sum(map(len, found.values())), "differences")
    return found


async def _try_all(
    broker_address: str, redis_url: str, folder: Path, cases: list[Crash], **more: float
) -> dict[str, list[str]]:
    records, room = inputs(), asyncio.Semaphore(AT_ONCE)

    async def run(name: str, case: Crash | None) -> Any:
        async with room:
            settings = await asyncio.to_thread(_group, broker_address, redis_url, **more)
            return await crash.play(settings, folder / name, records, case)

    async def compared(case: Crash) -> list[str]:
        died, state, told = await run(str(case), case)
        if not died:
            return [f"never passed {case}"]
        _, expected_state, expected_told = await smooth
        return differences(expected_state, state) + differences(expected_told, told)

    smooth = asyncio.create_task(run("smooth", None))
    found = await asyncio.gather(*map(compared, cases), return_exceptions=True)
    return {
        str(case): [repr(wrong)] if isinstance(wrong, BaseException) else wrong
        for case, wrong in zip(cases, found, strict=True)
    }


def _group(broker_address: str, redis_url: str, **more: float) -> Settings:
    return own_group(
        broker_address,
        redis_url,
        shards=SHARDS,
        board_size=2000,
        chunk_max_records=40,
        commit_interval_seconds=0.3,
        sweep_interval_seconds=3600.0,
        **more,
    )


@pytest.mark.parametrize("case", [_case(case) for case in CASES])
def test_a_crash_leaves_no_trace(wrong: dict[str, list[str]], case: Crash) -> None:
    if case.on_kafka and not KAFKA:
        pytest.skip(NO_KAFKA)
    assert wrong[str(case)] == []
