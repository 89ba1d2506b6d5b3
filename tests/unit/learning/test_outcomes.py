"""What counts for a launch: what is done from its launch to its horizon, whenever it was listed."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.events import Behaviour, NewItem
from streamer.learning.launches import Launches
from streamer.learning.outcomes import Outcomes
from streamer.live import Success
from streamer.state.layout import DAY

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
