"""Examples look back and labels forward: what happens after a look moves no feature of it."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.events import Behaviour, NewItem
from streamer.learning.dataset import Dataset
from streamer.learning.launches import Launches
from streamer.learning.outcomes import Outcome
from streamer.replay.record import TimedRecord
from streamer.state.features import FEATURES
from streamer.state.layout import DAY
from streamer.success import Success
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from tests.support.launches import Log
from tests.support.launches import examples as examples_of

AGES = (0.0, 1.0, 7.0)
LAUNCHES = Launches(day_zero=0.0, first_day=0.0, last_day=30.0)
USUAL = Success()


def listed(item: str, day: float) -> TimedRecord:
    event = NewItem(item_id=item, time=day * DAY, title=item, brand="north", category=["a", "b"])
    return TimedRecord(NEW_ITEMS, item.encode(), event, event.time, "upsert")


def bought(item: str, day: float, user: str, kind: str = "purchase") -> TimedRecord:
    event = Behaviour(
        item_id=item, time=day * DAY, type=kind, user_id=user, value=5.0, quantity=1.0, channel="s"
    )
    return TimedRecord(USER_BEHAVIOUR, item.encode(), event, event.time, kind)


def shop() -> list[TimedRecord]:
    """Five launches, of which item-4 sells most after its first week."""
    records = [listed(f"item-{n}", 1.0 + n) for n in range(5)]
    for n in range(5):
        records += [bought(f"item-{n}", 1.5 + n + step, f"early-{step}") for step in range(3)]
        records += [bought(f"item-{n}", 20.0 + n + k / 9, f"late-{k}") for k in range(4 * n)]
    return [*records, bought("item-0", 89.0, "end")]


def examples(records: list[TimedRecord], success: Success = USUAL) -> Dataset:
    return examples_of(Log(records), LAUNCHES, AGES, success)


@pytest.fixture(scope="module")
def plain() -> Dataset:
    return examples(shop())


def test_the_label_is_of_what_comes(plain: Dataset) -> None:
    assert set(plain.item[plain.label == 1]) == {"item-4"}
    assert plain.outcome[plain.item == "item-4"].tolist() == [19.0] * len(AGES)


def test_a_planted_future_moves_labels_and_no_feature(plain: Dataset) -> None:
    planted = [bought("item-0", 40.0 + k / 99, f"planted-{k}") for k in range(60)]
    moved = examples([*shop(), *planted])
    assert set(moved.item[moved.label == 1]) == {"item-0"}
    order, other = np.lexsort((plain.age, plain.item)), np.lexsort((moved.age, moved.item))
    np.testing.assert_array_equal(plain.x[order], moved.x[other])


def test_a_leak_would_be_seen(plain: Dataset) -> None:
    """The same purchases planted before a look do move its features."""
    planted = [bought("item-0", 1.2 + k / 999, f"planted-{k}") for k in range(60)]
    moved = examples([*shop(), *planted])
    buyers = FEATURES.index("buyers")
    for age in (1.0, 7.0):
        mine = (plain.item == "item-0") & (plain.age == age)
        theirs = (moved.item == "item-0") & (moved.age == age)
        assert moved.x[theirs, buyers] > plain.x[mine, buyers]


@pytest.mark.parametrize(
    ("outcome", "of_item_4"),
    [("buyers", 19.0), ("value", 95.0), ("repeat_rate", 1 / 19), ("return_rate", 0.1)],
)
def test_success_is_what_was_asked_for(outcome: Outcome, of_item_4: float) -> None:
    again = bought("item-4", 30.0, "early-0")
    returned = [bought("item-4", 31.0 + n, "early-0", "return") for n in range(2)]
    extra = [] if outcome in ("buyers", "value") else [again, *returned]
    data = examples([*shop(), *extra], Success(outcome=outcome))
    assert data.outcome[data.item == "item-4"][0] == pytest.approx(of_item_4)


def test_the_horizon_the_quantile_and_the_cohort_are_options() -> None:
    soon = examples(shop(), Success(horizon_days=10.0))
    assert not soon.label.any()
    assert set(soon.outcome) == {3.0}
    many = examples(shop(), Success(quantile=0.5))
    assert set(many.item[many.label == 1]) == {"item-3", "item-4"}
    pairs = examples(shop(), Success(cohort_days=2.0, quantile=0.5))
    assert set(pairs.item[pairs.label == 1]) == {"item-1", "item-3"}


def test_an_item_that_is_announced_early_or_listed_late_is_looked_at_by_its_launch() -> None:
    announced, late, withdrawn = (
        listed(name, day) for name, day in (("announced", 2.0), ("late", 9.0), ("withdrawn", 1.0))
    )
    assert isinstance(announced.value, NewItem)
    assert isinstance(late.value, NewItem)
    assert isinstance(withdrawn.value, NewItem)
    announced.value.launch_time = 5.0 * DAY
    late.value.launch_time = 7.0 * DAY
    withdrawn.value.type = "withdrawal"
    acts = [bought("announced", 2.5, "early"), bought("announced", 5.5, "eager")]
    data = examples([*shop(), announced, late, withdrawn, *acts])
    buyers = FEATURES.index("buyers")
    seen = {
        (item, age): np.expm1(x[buyers]).round()
        for item, age, x in zip(data.item.tolist(), data.age.tolist(), data.x, strict=True)
    }
    assert [seen["announced", age] for age in AGES] == [1, 2, 2]
    assert {age for item, age in seen if item == "late"} == {7.0}
    assert not {item for item, _ in seen if item == "withdrawn"}
    assert set(data.launch_day[data.item == "announced"]) == {5.0}


def test_an_item_that_is_listed_after_its_horizon_is_not_learnt_from() -> None:
    soon, known = listed("soon", 8.0), listed("known", 19.0)
    for late in (soon, known):
        assert isinstance(late.value, NewItem)
        late.value.launch_time = 7.0 * DAY
    data = examples_of(Log([*shop(), soon, known]), LAUNCHES, (-1.0, *AGES), Success(10.0))
    assert set(data.age[data.item == "soon"]) == {-1.0, 1.0, 7.0}
    assert "known" not in data.item


def test_what_comes_after_the_horizon_does_not_count() -> None:
    after = [bought("item-0", 60.0 + k / 99, f"after-{k}") for k in range(60)]
    data = examples([*shop(), *after])
    assert set(data.item[data.label == 1]) == {"item-4"}
