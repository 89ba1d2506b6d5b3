"""Items become scores and messages; of these only what is worth it, and never an older one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from streamer import outputs
from streamer.events import BEHAVIOUR_TYPES, Behaviour, BehaviourType, ItemScore, NewItem
from streamer.judge import BLOCK_ITEMS, Judge, Judged, actions, stages_of
from streamer.outputs import IN_FLIGHT_SECONDS, Outputs
from streamer.publish import Record
from streamer.registry import Bundle, active
from streamer.scoring.predictor import STAGES
from streamer.settings import Settings
from streamer.state.features import FEATURES
from streamer.state.layout import ITEM
from streamer.state.touched import Touched
from tests.support.bundles import DIMENSIONS, random_predictor
from tests.support.histories import START
from tests.support.touching import ENCODER, kin_table, known_of, touched_items, touched_of

JUDGE = Judge(Bundle("random", random_predictor(2), ENCODER, DIMENSIONS, {}))
SHIPPED = Judge(active(Path(__file__).parents[2] / "model_store"))
read = msgspec.msgpack.Decoder(ItemScore).decode


def judged(items: Touched, now: float = START + 86400.0, judge: Judge = JUDGE) -> Judged:
    return judge.judge(items, kin_table(items), now)


@pytest.mark.parametrize("judge", [JUDGE, SHIPPED], ids=["random", "shipped"])
@given(items=touched_items(), after=st.sampled_from([-1.0, 0.0, 3600.0, 90 * 86400.0]))
def test_every_item_of_any_history_gets_a_finite_score_that_adds_up(
    judge: Judge, items: Touched, after: float
) -> None:
    found = judged(items, START + after, judge)
    for place, (key, value) in enumerate(found.messages(np.arange(len(items)))):
        score = read(value)
        assert key.decode() == score.item_id == items.ids[place]
        assert 0 <= score.probability <= 1
        assert score.uncertainty >= 0
        assert sum(score.contributions.values()) == pytest.approx(score.logit)
        assert score.version == items.x[place, ITEM.index["version"]]
        assert score.reasons == found.reasons(place)
        assert score.model == judge.bundle.name


def test_items_are_judged_alike_alone_and_in_more_than_a_block() -> None:
    views = [
        Behaviour(item_id=f"i{n}", type="view", time=START)
        for n in range(BLOCK_ITEMS + 1)
        for _ in range(n % 7 + 1)
    ]
    items = touched_of(views, {})
    together = judged(items)
    for place in (0, BLOCK_ITEMS - 1, BLOCK_ITEMS):
        alone = judged(items.part(place, place + 1))
        assert alone.reasons(0) == together.reasons(place)
        assert alone.scores.logit[0] == pytest.approx(together.scores.logit[place])


def events(kind: str, count: int) -> list[Behaviour]:
    return [Behaviour(item_id="i", type=kind, time=START) for _ in range(count)]  # type: ignore[arg-type]


def test_the_stage_follows_actions_and_not_impressions() -> None:
    for kind, count, stage, seen in [
        ("impression", 100, "cold", 0),
        ("view", 1, "warming", 1),
        ("purchase", 30, "warm", 30),
    ]:
        items = touched_of(events(kind, count), {})
        assert actions(items).sum(axis=1).tolist() == [seen]
        ((_, value),) = judged(items).messages(np.array([0]))
        assert read(value).stage == stage


def test_what_was_seen_of_an_item_is_another_stage_for_a_predictor_that_does_not_read_it() -> None:
    """The one that ships reads purchases and no views."""
    shipped = SHIPPED.bundle.predictor
    viewed, bought = (touched_of(events(kind, 30), {}) for kind in ("view", "purchase"))
    seen = np.concatenate([actions(viewed), actions(bought)])
    assert stages_of(shipped, seen).tolist() == [0, 2]
    reading = replace(shipped, values=np.append(shipped.values, FEATURES.index("views")))
    assert stages_of(reading, seen).tolist() == [2, 2]


ALL_BUT_IMPRESSIONS = [kind for kind in BEHAVIOUR_TYPES if kind != "impression"]


@pytest.mark.parametrize("kind", ALL_BUT_IMPRESSIONS)
def test_an_action_that_a_predictor_does_not_read_moves_nothing(kind: BehaviourType) -> None:
    item = NewItem(item_id="i", time=START, title="x", price=3.0, launch_time=START)
    told = {"rating": 4.0} if kind in ("rating", "review") else {}
    event = Behaviour(item_id="i", type=kind, time=START, **told)
    before, after = (
        judged(touched_of(events, {"i": known_of(item)}), judge=SHIPPED).scores
        for events in ([], [event] * 40)
    )
    if kind in ("purchase", "rating", "review"):
        assert before.stage != after.stage
    else:
        assert before.stage == after.stage
        assert before.probability == after.probability


class Told:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def publish(self, topic: str, records: Iterable[Record], **_: Any) -> None:
        self.records += records

    def take(self) -> list[str]:
        keys = [key.decode() for key, _ in self.records]
        self.records.clear()
        return keys


def one(version: float, probability: float, time: float = START) -> Judged:
    """The judged item `i` at a version, with this probability."""
    found = judged(touched_of([Behaviour(item_id="i", type="view", time=START)], {}), time)
    found.versions = np.array([version])
    found.scores.probability[:] = probability
    return found


def tell(settings: Settings, *some: Judged, moments: Sequence[float] | None = None) -> list[int]:
    """Which of these scores, one after the other, are published; at these moments, or at once."""
    told = Told()
    clock = iter(moments or [0.0] * len(some))
    outputs = Outputs(cast(Any, told), settings, lambda: next(clock))

    async def run() -> list[int]:
        published = []
        for place, found in enumerate(some):
            await outputs.scores(found)
            published += [place] * len(told.take())
        return published

    return asyncio.run(run())


def test_every_score_is_published_unless_told_otherwise_but_never_an_older_version() -> None:
    assert tell(Settings(), one(1, 0.5), one(1, 0.5), one(3, 0.5), one(2, 0.9), one(3, 0.5)) == [
        0,
        1,
        2,
        4,
    ]


def test_with_a_least_change_only_scores_that_moved_are_published() -> None:
    scores = [one(1, 0.50), one(2, 0.52), one(3, 0.54), one(4, 0.56), one(5, 0.56)]
    assert tell(Settings(score_min_change=0.05), *scores) == [0, 3]


def test_with_an_interval_a_score_is_published_when_the_last_one_is_old() -> None:
    times = [START, START + 5, START + 10, START + 19, START + 20]
    scores = [one(n, 0.5, time) for n, time in enumerate(times, start=1)]
    assert tell(Settings(score_max_interval_seconds=10), *scores) == [0, 2, 4]
    both = Settings(score_max_interval_seconds=10, score_min_change=0.2)
    assert tell(both, *scores, one(9, 0.8, START + 21)) == [0, 2, 4, 5]


def test_an_item_that_expired_and_came_again_is_told_although_its_versions_begin_anew() -> None:
    moments = [0.0, IN_FLIGHT_SECONDS - 1, IN_FLIGHT_SECONDS + 1]
    assert tell(Settings(), one(57, 0.5), one(1, 0.5), one(1, 0.5), moments=moments) == [0, 2]


def test_it_is_told_at_once_where_its_history_began_after_what_was_told() -> None:
    again = one(1, 0.5, START + 10)
    again.items.x[:, ITEM.index["first_time"]] = START + 10
    assert tell(Settings(), one(57, 0.5, START + 9), again) == [0, 1]
    assert tell(Settings(), one(57, 0.5, START + 10), again) == [0]


def test_an_item_that_takes_the_place_of_another_is_told_whatever_was_told_of_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many items are remembered as there is room for; both are in one batch here."""
    monkeypatch.setattr(outputs, "TOLD_ITEMS", 3)
    told = Told()
    telling = Outputs(cast(Any, told), Settings(), lambda: 0.0)

    def published(**versions: int) -> list[str]:
        views = [Behaviour(item_id=name, type="view", time=START) for name in versions]
        found = judged(touched_of(views, {}), START)
        found.versions = np.array([float(versions[name]) for name in found.items.ids])
        asyncio.run(telling.scores(found))
        return sorted(told.take())

    assert published(a=57, b=57, c=57) == ["a", "b", "c"]
    for newcomers in ({"d": 1, "a": 58}, {"b": 58, "e": 1}):
        assert published(**newcomers) == sorted(newcomers)
    assert published(d=2, e=2, a=59, b=59) == ["a", "b", "d", "e"]


def gap() -> tuple[float, float]:
    """How many items are known to have warmed up, and how far P moved then in all."""
    name = "streamer_cold_score_gap_probability"
    values = (REGISTRY.get_sample_value(f"{name}_{part}") for part in ("count", "sum"))
    return tuple(value or 0.0 for value in values)  # type: ignore[return-value]


def test_how_far_a_score_moves_when_an_item_is_first_acted_upon_is_counted_once() -> None:
    cold = one(1, 0.2)
    cold.scores.stage[:] = STAGES.index("cold")
    count, total = gap()
    tell(Settings(), cold, one(2, 0.5), one(3, 0.9))
    assert gap() == (count + 1, pytest.approx(total + 0.3))
    tell(Settings(), one(4, 0.5), one(5, 0.9))
    assert gap()[0] == count + 1
