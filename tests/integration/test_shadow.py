"""A candidate beside the model in use: seen by who compares, by nobody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgpack
import numpy as np
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from streamer.events import Behaviour, NewItem
from streamer.judge import Judge
from streamer.live import Stage, compare
from streamer.registry import Bundle, active_name
from streamer.shadow import Notes, Shadow, open_shadow
from streamer.state import shadows
from streamer.state.keys import Keys
from streamer.state.layout import DAY
from streamer.state.shadows import Prediction, Shadows
from streamer.topology import ITEM_SCORES, NEW_ITEMS, USER_BEHAVIOUR
from tests.support.bundles import DIMENSIONS, random_predictor, shipped_store, twin
from tests.support.histories import START
from tests.support.logs import read, write
from tests.support.processes import call, metric, own_group, running, wait_until
from tests.support.shop import START as SHOP_START
from tests.support.shop import listing, purchase
from tests.support.touching import ENCODER, kin_table, known_of, touched_of

KEYS = Keys("shadowed", 4)
OLD, LATE = 57 * DAY, 200 * DAY
"""Past the horizon; past that of the whole cohort."""


def judge(name: str, seed: int) -> Judge:
    return Judge(Bundle(name, random_predictor(seed), ENCODER, DIMENSIONS, {}))


def shown(shadow: Shadow, count: int = 50, after: float = 60.0, by: str = "active") -> None:
    """Shows it items with different histories, judged by the model in use."""
    events = [
        Behaviour(item_id=f"i{n}", type="purchase", time=START, user_id=f"u{m}", value=float(n))
        for n in range(count)
        for m in range(1 + n % 7)
    ]
    items = touched_of(events, {})
    kin = kin_table(items)
    shadow.see(judge(by, 1).judge(items, kin, START + after), kin)


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_a_twin_agrees_and_a_stranger_does_not() -> None:
    for name, seed in (("twin", 1), ("stranger", 5)):
        shadow = Shadow(judge(name, seed), None, KEYS)  # type: ignore[arg-type]
        shown(shadow)
        shadow._tell_agreement()
    assert gauge("streamer_shadow_rank_correlation", candidate="twin") == pytest.approx(1.0)
    assert gauge("streamer_shadow_mean_absolute_difference", candidate="twin") == 0.0
    assert gauge("streamer_shadow_rank_correlation", candidate="stranger") != pytest.approx(1.0)
    assert (gauge("streamer_shadow_mean_absolute_difference", candidate="stranger") or 0) > 0.01
    assert gauge("streamer_shadow_scores_total", candidate="twin") == 50


def test_a_candidate_that_came_into_use_has_nothing_to_add() -> None:
    shadow = Shadow(judge("mine", 1), None, KEYS)  # type: ignore[arg-type]
    shown(shadow, by="mine")
    assert shadow._latest == {}


def test_a_candidate_that_fails_is_dropped_and_scoring_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = judge("failing", 1)
    monkeypatch.setattr(failing, "judge", lambda *_: 1 / 0)
    shadow = Shadow(failing, None, KEYS)  # type: ignore[arg-type]
    shown(shadow)
    shown(shadow)
    assert gauge("streamer_model_refused", bundle="failing") == 1
    assert capsys.readouterr().out.count("ZeroDivisionError") == 1


def test_a_bundle_that_can_not_be_a_shadow_stops_nobody(tmp_path: Path) -> None:
    assert open_shadow(tmp_path, "", None, KEYS) is None  # type: ignore[arg-type]
    assert open_shadow(tmp_path, "none", None, KEYS) is None  # type: ignore[arg-type]
    assert gauge("streamer_model_refused", bundle="none") == 1


def test_first_scores_and_outcomes_are_noted_once() -> None:
    notes = Notes()
    events = [Behaviour(item_id=i, type="purchase", time=START, user_id="u") for i in "ab"]
    items = touched_of(events, {})
    kin = kin_table(items)
    for after, p in ((60.0, 0.5), (120.0, 0.6), (OLD, 0.7), (OLD + 1, 0.8)):
        judged = judge("active", 1).judge(items, kin, START + after)
        notes.take(judged, np.full(2, p), 56 * DAY)
    predictions, buyers = notes.hand_over()
    assert {key[1] for key in predictions} == set("ab")
    assert {p.candidate for p in predictions.values()} == {0.5}
    assert buyers == {"a": 1.0, "b": 1.0}
    assert notes.hand_over() == ({}, {})


def test_of_an_item_that_was_ordered_before_its_launch_no_outcome_is_noted() -> None:
    notes, launch = Notes(), START + DAY
    events = [
        Behaviour(item_id=i, type="purchase", time=time, user_id="u")
        for i, time in (("ahead", START), ("ahead", launch), ("since", launch))
    ]
    listings = [
        NewItem(item_id=i, time=START, title=i, launch_time=launch) for i in ("ahead", "since")
    ]
    items = touched_of(events, {each.item_id: known_of(each) for each in listings})
    for after in (60.0, OLD):
        judged = judge("active", 1).judge(items, kin_table(items), launch + after)
        notes.take(judged, np.full(2, 0.5), 56 * DAY)
    predictions, buyers = notes.hand_over()
    assert {key[1] for key in predictions} == {"ahead", "since"}
    assert buyers == {"since": 1.0}


def test_the_record_keeps_what_came_first_and_outcomes_of_what_it_follows(redis_url: str) -> None:
    async def scenario() -> None:
        async with Redis.from_url(redis_url) as client:
            record = Shadows(client, KEYS, "new", "old")
            first = {(0, "a"): Prediction(1.0, 0.2, 0.3), (2, "b:c"): Prediction(2.0, 0.4, 0.5)}
            await record.record(first, {})
            again = {(0, "a"): Prediction(1.0, 0.9, 0.9), (1, "a"): Prediction(1.0, 0.6, 0.7)}
            for _ in range(2):
                await record.record(again, {"a": 7.0, "stranger": 9.0})
            await record.record({(0, "d"): Prediction(3.0, 0.1, 0.1)}, {"d": 2.0})
            found = await record.read()
            rows = sorted(
                zip(
                    *(getattr(found, name).tolist() for name in found.__slots__),
                    strict=True,
                )
            )
            assert rows[:2] == [(b"a", 0, 1.0, 0.2, 0.3, 7.0), (b"a", 1, 1.0, 0.6, 0.7, 7.0)]
            assert rows[2][:5] == (b"b:c", 2, 2.0, 0.4, 0.5)
            assert np.isnan(rows[2][5])
            assert rows[3] == (b"d", 0, 3.0, 0.1, 0.1, 2.0), "predicted and known at once"
            assert len((await Shadows(client, KEYS, "new", "other").read()).item) == 0

    asyncio.run(scenario())


def test_of_too_many_items_the_later_ones_are_left_out(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "MAX_ITEMS", 40)

    async def scenario() -> None:
        async with Redis.from_url(redis_url) as client:
            record = Shadows(client, KEYS, "many", "old")
            for start in range(0, 1000, 50):
                said = {(0, f"i{n}"): Prediction(1.0, 0.5, 0.5) for n in range(start, start + 50)}
                await record.record(said, {})
            assert 120 <= len((await record.read()).item) < 400

    asyncio.run(scenario())


def test_a_shadow_beside_a_worker_is_compared_live_and_publishes_nothing(
    broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    store = shipped_store(tmp_path)
    candidate = twin(store, "launch-candidate", bias=1.0)
    in_use = active_name(store)
    settings = own_group(
        broker_address,
        redis_url,
        model_store=store,
        shadow=candidate,
        sweep_interval_seconds=1.0,
        item_retention_days=400.0,
    )
    items = [f"item-{n:02d}" for n in range(30)]
    bought = [purchase(items[n], m) for n in range(len(items)) for m in range(1 + n % 9)]
    much_later = msgpack.packb(
        {"item_id": items[0], "type": "view", "time": SHOP_START + LATE, "user_id": "late"}
    )

    def live(stage: str) -> Stage:
        found = asyncio.run(compare(settings, candidate, in_use))
        nothing = Stage(stage=stage, items=0, agreement=None, difference=None, known=0)
        return next((row for row in found if row.stage == stage), nothing)

    with running(settings, tmp_path, "worker") as (worker,):
        before = call(settings, tmp_path, "models", "compare", candidate, "--live")
        assert f"start it with --shadow {candidate}" in before.stderr
        asyncio.run(write(settings, NEW_ITEMS.name, [listing(item) for item in items]))
        wait_until(lambda: live("cold").items == len(items), "all seen cold")
        asyncio.run(write(settings, USER_BEHAVIOUR.name, bought))
        wait_until(lambda: live("warming").items == len(items), "all seen warming")
        warming = live("warming")
        assert warming.agreement == pytest.approx(1.0)
        assert warming.difference
        assert 0.01 < warming.difference < 0.5
        assert warming.known == 0
        asyncio.run(write(settings, USER_BEHAVIOUR.name, [(b"late", much_later)]))
        wait_until(lambda: live("warming").known == len(items), "outcomes are known")
        done = call(settings, tmp_path, "models", "compare", candidate, "--live", "--json")
        known = {row["stage"]: row for row in json.loads(done.stdout)}["warming"]
        assert known["successes"] == pytest.approx(sum(n % 9 > 6 for n in range(30)) / 30, abs=0.2)
        assert known["candidate_auc"] == pytest.approx(known["active_auc"])
        assert metric([worker.port], "streamer_shadow_scores_total", candidate=candidate) > 0
        told = metric([worker.port], "streamer_shadow_rank_correlation", candidate=candidate)
        assert told == pytest.approx(1.0)
    scores = [msgpack.unpackb(r.value) for r in asyncio.run(read(settings, ITEM_SCORES.name))]
    assert {score["model"] for score in scores} == {in_use}
