"""Benchmarks at a tiny size: they count right, compare alike, and parse what they are told."""

from __future__ import annotations

import asyncio
import math
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgpack
import numpy as np
import pytest
from typer.testing import CliRunner

from streamer.bench import journey as journeys
from streamer.bench import pipeline, plot, readings, state, swap, through_kafka, watch
from streamer.bench.contestants import Contestant, told
from streamer.bench.journey import Journey, journey
from streamer.bench.paced import QUANTILES, Latency, waits
from streamer.bench.peers import has_pathway, job
from streamer.bench.pipeline import Plan, chosen, measured
from streamer.bench.workplace import Workplace
from streamer.cli import app
from streamer.errors import ConfigurationError, StreamerError
from streamer.events import Behaviour, Encoding, Text
from streamer.registry import active_name
from streamer.registry.promotion import promote
from streamer.report import Results
from streamer.settings import Settings
from streamer.state.connection import connected
from tests.support.bundles import SHIPPED


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same few events are not made out of the year's log by every test anew."""
    monkeypatch.setattr(state, "journey", _journey)


_journey = cache(journey)


def test_the_journey_holds_real_events_and_the_catalogue_of_their_items() -> None:
    data = _journey(3000)
    assert len(data.events) == len(data.records) == 3000
    assert [job.decode(value or b"") for _, value in data.records] == data.events
    known = {key.decode() for key, _ in data.catalogue}
    bought = {event.item_id for event in data.events}
    assert len(bought & known) > 0.99 * len(bought), "the data describe all but a few products"


def test_more_events_than_there_are_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journeys, "LAST_DAY", journeys.FIRST_DAY + 1)
    with pytest.raises(ConfigurationError, match=r"the data have \d{4,5} events from day 90 on"):
        journey(10**9)


def test_a_tiny_run_applies_every_event_and_compares_with_each_peer() -> None:
    lines: list[str] = []
    results = state.run(Settings(), state.Plan(3000, 100, 1, ()), lines.append)
    rows = {(row["name"], row.get("peer")): row for row in results.rows}
    assert set(rows) == {
        ("state.events_per_second", "redis_py_awaited"),
        ("state.events_per_second", "redis_py_multi"),
        ("state.events_per_second.chunks_of_8000", "redis_py_awaited"),
        ("state.events_per_second.chunks_of_8000", "redis_py_multi"),
        ("state.same_job_events_per_second", None),
        ("state.bytes_per_item", None),
    }
    assert len(lines) == len(rows)
    assert all(row["value"] > 0 for row in rows.values())
    by_chunk = [line.split(" in chunks of ")[1].split()[0] for line in lines[:-1]]
    assert by_chunk == ["1,000", "1,000", "8,000", "8,000", "1,000"]


def test_every_size_of_the_store_is_measured_in_chunks_of_both_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "SIZED_EVENTS", 2000)
    settings = Settings(item_cache_max_bytes=1_000_000)
    results = state.run(settings, state.Plan(3000, 10, 1, (100, 1500)), lambda _: None)
    assert [row["name"] for row in results.rows if ".items_" in row["name"]] == [
        "state.events_per_second.items_100",
        "state.events_per_second.items_100.chunks_of_8000",
        "state.events_per_second.items_1500.at_hand",
        "state.events_per_second.items_1500.at_hand.chunks_of_8000",
        "state.events_per_second.items_1500",
        "state.events_per_second.items_1500.chunks_of_8000",
    ]


def test_a_lost_event_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = state._Ours.apply
    monkeypatch.setattr(state._Ours, "apply", lambda self, events: apply(self, events[:-1]))
    with pytest.raises(AssertionError, match="2999 events applied of 3000"):
        state.run(Settings(), state.Plan(3000, 10, 1, ()), lambda _: None)


def test_the_peers_job_sums_and_decays_by_event_time() -> None:
    def at(seconds: float) -> Behaviour:
        return Behaviour(item_id="i", type="purchase", time=1e9 + seconds, value=2.0)

    once = job._PACKED.unpack(job.applied(None, at(0)))
    assert once == (*[1.0, 1.0, 2.0] * 4, 1e9)
    twice = job._PACKED.unpack(job.applied(job.applied(None, at(0)), at(3600)))
    assert twice[0] == pytest.approx(1 + 2.718281828**-1)
    assert twice[-1] == 1e9 + 3600


def test_the_peer_that_counts_event_by_event_scores_what_its_counters_come_to(
    redis_url: str,
) -> None:
    async def scores() -> list[float]:
        async with connected(Settings(redis=redis_url)) as client:
            events = [Behaviour(item_id="counted", type="purchase", time=1.0, value=2.0)] * 2
            told = [msgpack.unpackb(await job.one(client, event)) for event in events]
        return [message["probability"] for message in told]

    assert asyncio.run(scores()) == pytest.approx(
        [1 / (1 + math.exp(-0.01 * total)) for total in (4, 8)]
    )


@pytest.mark.parametrize("command", ["state", "pipeline", "soak"])
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


def _plan(**asked: object) -> Plan:
    nothing = Plan(1000, 2, 1.0, 0.0, None, None, None, None, frozenset())
    return replace(nothing, **asked)  # type: ignore[arg-type]


def _place() -> Workplace:
    return Workplace(Settings(), Path(), Journey([], [], []))


def _contestant(name: str, *rates: float | Exception) -> Contestant:
    left = list(rates)

    async def measure(place: Workplace, seconds: float) -> float:
        rate = left.pop(0)
        if isinstance(rate, Exception):
            raise rate
        return rate

    return Contestant(name, "", measure)


def test_every_repetition_runs_every_contestant_once() -> None:
    lines: list[str] = []
    both = [_contestant("streamer", 10.0, 20.0), _contestant("peer", 3.0, 4.0)]
    rates = asyncio.run(measured(both, _place(), _plan(), lines.append))
    assert rates == {"streamer": [10.0, 20.0], "peer": [3.0, 4.0]}
    assert [line.split()[0] for line in lines] == ["streamer", "peer"] * 2


def test_a_peer_that_fails_is_left_out_with_one_line() -> None:
    lines: list[str] = []
    broken = _contestant("peer", 5.0, StreamerError("it ended with 1:\n  no module"))
    both = [broken, _contestant("streamer", 10.0, 20.0)]
    rates = asyncio.run(measured(both, _place(), _plan(), lines.append))
    assert rates == {"streamer": [10.0, 20.0]}
    assert "peer: left out, it ended with 1: no module" in lines


def test_an_error_of_ours_is_not_passed_over() -> None:
    broken = _contestant("streamer", StreamerError("no"))
    with pytest.raises(StreamerError, match="no"):
        asyncio.run(measured([broken], _place(), _plan(), lambda _: None))


def test_ours_always_takes_part_beside_the_peers_that_were_asked_for() -> None:
    plan = _plan(only=frozenset({"faust_take"}))
    assert [c.name for c in chosen(plan, Path(), lambda _: None)] == ["streamer", "faust_take"]


def test_a_peer_that_there_is_not_is_told_before_anything_is_measured() -> None:
    done = CliRunner().invoke(app, ["bench", "pipeline", "--only", "spark"])
    assert "no peer spark; there are: two_processes, bare_aiokafka" in str(done.exception)


def test_peers_that_are_not_here_are_left_out_with_a_line_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "quix_streams_python", lambda folder: None)
    lines: list[str] = []
    plan = _plan(kafka=Path("kafka"), pathway=Path("none"))
    names = [c.name for c in chosen(plan, Path(), lines.append)]
    assert names == [
        "streamer",
        "two_processes",
        "bare_aiokafka",
        "streamer_same_job",
        "faust_per_event",
        "faust_take",
    ]
    assert lines == [
        "quix_streams: left out, pip can't install it",
        "quix_streams_redis: left out, pip can't install it",
        "pathway: left out, none can't import pathway and msgpack",
        "kafka_streams_exactly_once_rocksdb: left out, name its program with --kafka-streams",
        "kafka_streams_exactly_once_memory: left out, name its program with --kafka-streams",
        "kafka_streams_at_least_once_memory: left out, name its program with --kafka-streams",
    ]


def test_with_everything_named_every_row_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "quix_streams_python", lambda folder: "python")
    monkeypatch.setattr(pipeline, "has_pathway", lambda python: True)
    lines: list[str] = []
    program = Path("program")
    plan = _plan(kafka=program, kafka_streams=program, pathway=program)
    assert [c.name for c in chosen(plan, Path(), lines.append)] == [
        "streamer",
        "two_processes",
        "bare_aiokafka",
        "streamer_same_job",
        "faust_per_event",
        "faust_take",
        "quix_streams",
        "quix_streams_redis",
        "pathway",
        "kafka_streams_exactly_once_rocksdb",
        "kafka_streams_exactly_once_memory",
        "kafka_streams_at_least_once_memory",
    ]
    assert not lines


def test_who_does_the_peers_job_is_compared_with_the_peers_and_not_with_our_own_rows() -> None:
    results, lines = Results("bench pipeline", {}), list[str]()
    medians = {"streamer": 10.0, "two_processes": 15.0, "bare_aiokafka": 12.0}
    pipeline._compared({**medians, "streamer_same_job": 40.0, "peer": 20.0}, results, lines.append)
    rows = {
        (row["name"].rpartition(".")[2], row.get("peer")): row.get("ratio") for row in results.rows
    }
    assert rows[("streamer_same_job", "peer")] == 2.0
    assert {peer for name, peer in rows if name == "streamer_same_job"} == {"peer"}
    assert rows[("events_per_second", "peer")] == 0.5


def test_a_python_without_pathway_is_told() -> None:
    assert not has_pathway(Path(sys.executable))


def test_what_a_peer_tells_is_the_last_whole_number_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("warning: 7\n1200\n2400\nsomething else\n36")
    assert told(log) == 2400


def test_an_event_waits_for_the_first_score_that_knows_of_it() -> None:
    """Two events of a before a score of both; one of b between scores that don't know of it."""
    due = [("a", 10.0), ("a", 10.1), ("b", 11.0), ("b", 12.0)]
    heard = [("b", 5, 10.5), ("a", 9, 10.6), ("b", 6, 11.25), ("b", 6, 11.5), ("b", 7, 12.5)]
    assert waits(due, heard) == pytest.approx([0.6, 0.5, 0.25, 0.5])


def test_an_event_without_a_score_is_an_error() -> None:
    with pytest.raises(StreamerError, match="no score of b"):
        waits([("b", 1.0)], [("a", 1, 2.0)])


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    curve = [
        Latency(rate, 1000, dict.fromkeys(QUANTILES, value))
        for rate, value in ((1e3, 5.0), (5e3, 9.0), (8e3, 40.0))
    ]
    plot.draw(curve, 1e4, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_of_nothing_is_refused(tmp_path: Path) -> None:
    plan = _plan(plot=tmp_path / "curve.png")
    with pytest.raises(ConfigurationError, match="--paced-seconds"):
        pipeline.run(Settings(), plan, lambda _: None)


def test_a_rate_is_not_made_of_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    async def written() -> int:
        return 1000

    async def measure() -> float:
        watched = watch.Watch("127.0.0.1:1", "topic", 1)
        monkeypatch.setattr(watched, "written", written)
        return await watched.rate(written, 1000, 10.0)

    with pytest.raises(StreamerError, match="at once"):
        asyncio.run(measure())


def test_silence_is_the_longest_time_without_a_score() -> None:
    heard = swap.Heard(at=[1.0, 1.5, 4.0])
    assert heard.silence(1.0, 4.0) == 2.5
    assert heard.silence(4.5, 6.0) == 1.5
    assert heard.silence(0.0, 1.75) == 1.0


def test_a_store_for_swaps_holds_the_bundle_in_use_and_its_sound_copy(tmp_path: Path) -> None:
    store = swap._store(tmp_path / "models", SHIPPED)
    assert active_name(store) == active_name(SHIPPED)
    assert promote(store, swap.COPY).to == swap.COPY


def test_a_text_that_a_mix_of_models_has_read_is_told() -> None:
    by = {"a": np.array([[1000.0, 0], [0, 1000], [600, 800]]), "b": np.array([[0.0, 900]] * 3)}

    def reading(by_whom: str, *vector: int) -> Encoding:
        content = np.array(vector, "<i2").tobytes()
        return Encoding(
            item_id="i", kind="review", text_id="t", time=1, fingerprint=by_whom, vector=content
        )

    own = [reading("a", 500, 0), reading("b", 0, 7), reading("a", 60, 80)]
    assert readings.by_which(own, by) == (0, pytest.approx(1.0), pytest.approx(1.0))
    mixed = [reading("a", 500, 400), reading("b", 0, 7), reading("c", 60, 80)]
    assert readings.by_which(mixed, by)[0] == 2


def test_texts_that_are_sent_again_are_other_texts() -> None:
    texts = [Text(item_id="i", kind="review", text_id=t, text=t, time=1.0) for t in ("a", "b")]
    more = through_kafka.repeated(texts, 5)
    assert len(more) == len({text.text for text in more}) == len({t.text_id for t in more}) == 6
