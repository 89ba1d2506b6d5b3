"""Benchmarks at a tiny size: they count right, compare alike, and parse what they are told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.bench import state, watch
from streamer.bench.journey import journey
from streamer.bench.peers import job
from streamer.cli import app
from streamer.errors import ConfigurationError
from streamer.events import Behaviour
from streamer.settings import Settings


def test_the_journey_holds_real_events_and_the_catalogue_of_their_items() -> None:
    data = journey(3000)
    assert len(data.events) == len(data.records) == 3000
    assert [job.decode(value or b"") for _, value in data.records] == data.events
    known = {key.decode() for key, _ in data.catalogue}
    bought = {event.item_id for event in data.events}
    assert len(bought & known) > 0.99 * len(bought), "the data describe all but a few products"


def test_more_events_than_there_are_is_told_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match="the data have 1799953 events"):
        journey(10**9)


def test_a_tiny_run_applies_every_event_and_compares_with_each_peer() -> None:
    lines: list[str] = []
    results = state.run(Settings(), 3000, 100, 1, lines.append)
    rows = {(row["name"], row.get("peer")): row for row in results.rows}
    assert set(rows) == {
        ("state.events_per_second", "redis_py_awaited"),
        ("state.events_per_second", "redis_py_multi"),
        ("state.bytes_per_item", None),
    }
    assert len(lines) == len(rows)
    assert all(row["value"] > 0 for row in rows.values())


def test_a_lost_event_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = state._Ours.apply
    monkeypatch.setattr(state._Ours, "apply", lambda self, events: apply(self, events[:-1]))
    with pytest.raises(AssertionError, match="2999 events applied of 3000"):
        state.run(Settings(), 3000, 10, 1, lambda _: None)


def test_the_peers_job_sums_and_decays_by_event_time() -> None:
    def at(seconds: float) -> Behaviour:
        return Behaviour(item_id="i", type="purchase", time=1e9 + seconds, value=2.0)

    once = job._PACKED.unpack(job.applied(None, at(0)))
    assert once == (*[1.0, 1.0, 2.0] * 4, 1e9)
    twice = job._PACKED.unpack(job.applied(job.applied(None, at(0)), at(3600)))
    assert twice[0] == pytest.approx(1 + 2.718281828**-1)
    assert twice[-1] == 1e9 + 3600


@pytest.mark.parametrize("command", ["state", "pipeline"])
def test_each_benchmark_says_how_it_is_used(command: str) -> None:
    told = CliRunner().invoke(app, ["bench", command, "--help"])
    assert told.exit_code == 0
    assert "--report" in told.output


def test_a_rate_counts_from_the_first_output_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred outputs every tenth of a second, after half a second of starting up; to within a
    look at the topic."""
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def written() -> int:
        return 100 * min(max(round(now / 0.1) - 5, 0), 10)

    monkeypatch.setattr(watch.time, "perf_counter", lambda: now)
    monkeypatch.setattr(watch.asyncio, "sleep", sleep)

    async def measure() -> float:
        watched = watch.Watch("127.0.0.1:1", "topic", 1)
        monkeypatch.setattr(watched, "written", written)
        return await watched.rate(written, 1000, 10.0)

    assert asyncio.run(measure()) == pytest.approx(1000, rel=0.1)


def test_programs_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["bench", "pipeline", "--kafka", str(tmp_path / "none")])
    assert told.exit_code == 2
