"""Examples look back and labels forward: what happens after a look moves no feature of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.errors import ConfigurationError
from streamer.events import Behaviour, NewItem
from streamer.learning.dataset import DAY, AtAges, Dataset, Launches, Outcome, build, relabelled
from streamer.replay.record import TimedRecord
from streamer.state.features import FEATURES
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from tests.support.launches import Log

AGES = (0.0, 1.0, 7.0)
LAUNCHES = Launches(day_zero=0.0, first_day=0.0, last_day=30.0)


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


def examples(records: list[TimedRecord], launches: Launches = LAUNCHES) -> Dataset:
    return build(Log(records), launches, AtAges(launches, AGES), {}, "none", 4)


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
    data = examples([*shop(), *extra], replace(LAUNCHES, outcome=outcome))
    assert data.outcome[data.item == "item-4"][0] == pytest.approx(of_item_4)


def test_looks_get_the_labels_of_another_outcome() -> None:
    launches = replace(LAUNCHES, outcome="value")
    found = relabelled(examples(shop()), Log(shop()), launches)
    asked = examples(shop(), launches)
    assert found.outcome.tolist() == asked.outcome.tolist()
    assert found.label.tolist() == asked.label.tolist()
    with pytest.raises(ConfigurationError, match="differs in its return_rate"):
        relabelled(asked, Log(shop()), replace(LAUNCHES, outcome="return_rate"))


def test_what_comes_after_the_horizon_does_not_count() -> None:
    after = [bought("item-0", 60.0 + k / 99, f"after-{k}") for k in range(60)]
    data = examples([*shop(), *after])
    assert set(data.item[data.label == 1]) == {"item-4"}
