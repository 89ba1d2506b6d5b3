"""What counts for a launch: what is done from its launch to its horizon, whenever it was listed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamer.events import Behaviour, NewItem
from streamer.learning.caveats import caveats
from streamer.learning.launches import Launches
from streamer.learning.outcomes import Outcomes
from streamer.live import outcomes as known
from streamer.replay.sources.complete_journey import DAY_ZERO
from streamer.state.layout import DAY
from streamer.state.shadows import Recorded
from streamer.success import COHORTS_FROM, Success

LAUNCHES = Launches(day_zero=0.0, first_day=0.0, last_day=30.0)


def listed(item: str, day: float, launch: float | None = None) -> NewItem:
    launch_time = None if launch is None else launch * DAY
    return NewItem(item_id=item, time=day * DAY, title=item, launch_time=launch_time)


def bought(item: str, day: float, user: str | None, kind: str = "purchase") -> Behaviour:
    return Behaviour(item_id=item, time=day * DAY, type=kind, user_id=user, value=5.0)


def counted(events: Iterable[Behaviour | NewItem], outcome: str = "buyers") -> Outcomes:
    outcomes = Outcomes(LAUNCHES, Success(horizon_days=10.0, cohort_days=30.0, outcome=outcome))
    for event in sorted(events, key=lambda event: event.time):
        outcomes.take(event)
    return outcomes


def test_what_was_bought_before_the_item_was_listed_counts_for_its_launch() -> None:
    acts = [bought("a", day, f"user-{day}") for day in (2.0, 3.0, 9.0, 12.0, 12.1)]
    on_time = counted([listed("a", 2.0), *acts])
    late = counted([listed("a", 8.0, launch=2.0), *acts])
    assert on_time.outcome("a") == late.outcome("a") == 4.0
    back = [bought("a", 3.0, "user-3.0", "return")]
    assert counted([listed("a", 8.0, launch=2.0), *acts, *back], "return_rate").outcome("a") == 0.25


def test_what_was_bought_before_the_launch_does_not_count() -> None:
    acts = [bought("a", 1.0 + n / 10, f"ahead-{n}") for n in range(10)]
    sold = [bought("a", 2.0, "first"), bought("a", 12.0, "last")]
    for listing in (listed("a", 0.5, launch=2.0), listed("a", 3.0, launch=2.0)):
        assert counted([listing, *acts, *sold]).outcome("a") == 2.0
    assert counted([listed("a", 0.5, launch=2.0), *acts, *sold], "value").outcome("a") == 10.0


def test_a_launch_that_is_listed_when_its_outcome_is_known_was_not_foreseen() -> None:
    outcomes = counted([listed("a", 11.9, launch=2.0), listed("b", 12.0, launch=2.0)])
    assert outcomes.foreseen("a")
    assert not outcomes.foreseen("b")
    assert set(outcomes.labels()) == {"a", "b"}


def test_a_purchase_of_nobody_known_is_of_no_buyer() -> None:
    acts = [bought("a", 2.0 + n / 10, None) for n in range(6)]
    acts += [bought("a", 3.0, "one"), bought("a", 4.0, "two")]
    back = [bought("a", 4.0, None, "return"), bought("a", 5.0, "one", "return")]
    for outcome, told in (("buyers", 2.0), ("repeat_rate", 0.0), ("return_rate", 0.25)):
        found = counted([listed("a", 2.0), *acts, *back], outcome)
        assert found.outcome("a") == told, outcome
        assert found.guest_share == 0.75
    assert counted([listed("a", 2.0), *acts], "value").outcome("a") == 40.0


def test_what_is_to_be_known_of_labels_is_told() -> None:
    fine = [listed(f"fine-{n}", 2.0) for n in range(10)]
    sold = [bought("fine-0", 3.0, "one")]
    assert not list(caveats(counted([*fine, *sold])))
    odd = [
        listed("late", 4.0, launch=3.0),
        listed("known", 20.0, launch=3.0),
        bought("late", 3.5, None),
        bought("nowhere", 3.5, "two"),
        bought("nowhere", 3.5, "two", "return"),
    ]
    assert list(caveats(counted([*fine, *sold, *odd]))) == [
        "50 % of the launches' purchases have no user_id and count for no buyer",
        "1 of the log's purchases are of items that the catalogue does not have",
        "2 of 12 launches came into the catalogue after their launch, 1 of them after the horizon, "
        "of which nothing is learnt",
    ]
    assert "user_id" not in " ".join(caveats(counted([*fine, *sold, *odd], "value")))
    (few,) = caveats(counted(fine[1:]))
    assert few == "9 of 9 launches are in cohorts of fewer than 10, whose labels say little"


def test_a_launch_is_of_the_same_cohort_whatever_its_log_begins_with_and_live() -> None:
    """Two launches a day, of which the n-th of a cohort of 15 days is bought by n; and logs that
    begin on other days."""
    success = Success(horizon_days=10.0, cohort_days=15.0, quantile=0.5)
    begin = success.begins(200)
    launched = {f"item-{n}": begin + n * DAY / 2 for n in range(60)}
    buyers = {name: float(n % 30) for n, name in enumerate(launched)}
    labels = []
    for earlier in (0.0, 7.0, 100.0):
        days = Launches(begin - earlier * DAY, earlier, earlier + 30.0)
        outcomes = Outcomes(days, success)
        for name, time in launched.items():
            outcomes.take(NewItem(item_id=name, time=time, title=name))
            for n in range(int(buyers[name])):
                outcomes.take(Behaviour(item_id=name, time=time, type="purchase", user_id=f"u{n}"))
        labels.append(outcomes.labels())
    recorded = Recorded(
        item=np.array(list(launched), np.bytes_),
        stage=np.zeros(60, np.int64),
        launch=np.array(list(launched.values())),
        active=np.full(60, 0.5),
        candidate=np.full(60, 0.5),
        buyers=np.array(list(buyers.values())),
    )
    live = known(recorded, success, begin + 900 * DAY)
    labels.append(dict(zip(launched, live.astype(int).tolist(), strict=True)))
    expected = {name: int(n % 30 >= 15) for n, name in enumerate(launched)}
    assert labels == [expected] * 4


def test_cohorts_are_counted_as_those_of_the_bundle_that_ships() -> None:
    assert COHORTS_FROM == DAY_ZERO
