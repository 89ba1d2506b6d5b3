from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import ConfigurationError
from streamer.replay.progress import Progress, Rate
from streamer.replay.schedule import MAX_LATE_SECONDS, Schedule


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_at_full_speed_everything_is_due() -> None:
    schedule = Schedule(0.0, None)
    assert schedule.due_until(1e9) == math.inf
    assert schedule.wait_seconds(1e9) == 0


def test_event_time_passes_speed_times_as_fast() -> None:
    clock = Clock()
    schedule = Schedule(1000.0, 60.0, clock)
    assert schedule.due_until(1000.0) == 1000.0
    clock.now += 0.5
    assert schedule.due_until(1010.0) == 1030.0
    assert schedule.wait_seconds(1060.0) == 0.5


def test_history_goes_ahead_and_the_clock_starts_after_it() -> None:
    clock = Clock()
    schedule = Schedule(1000.0, 1.0, clock)
    assert 999.0 < schedule.due_until(5.0) < 1000.0
    assert schedule.wait_seconds(5.0) == 0
    clock.now += 50
    assert schedule.due_until(1000.0) == 1000.0


def test_a_delay_is_not_caught_up_by_more_than_a_second() -> None:
    clock = Clock()
    schedule = Schedule(0.0, 10.0, clock)
    schedule.due_until(0.0)
    clock.now += 30
    assert schedule.due_until(20.0) == pytest.approx(20.0 + 10.0 * MAX_LATE_SECONDS)


@given(
    st.lists(st.floats(0.001, 5.0), min_size=1, max_size=50),
    st.lists(st.floats(0.0, 3.0), min_size=50, max_size=50),
    st.floats(0.5, 100.0),
)
def test_no_burst_is_larger_than_what_is_due_in_a_second(
    gaps: list[float], delays: list[float], speed: float
) -> None:
    clock = Clock()
    schedule = Schedule(0.0, speed, clock)
    event_time = 0.0
    for gap, delay in zip(gaps, delays, strict=False):
        until = schedule.due_until(event_time)
        assert until - event_time <= speed * MAX_LATE_SECONDS * (1 + 1e-9) + 1e-6
        event_time = max(event_time, until) + gap
        clock.now += delay


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_impossible_speeds_are_refused(speed: float) -> None:
    with pytest.raises(ConfigurationError, match="speed"):
        Schedule(0.0, speed)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    rate = Rate(clock)
    for second in range(1, 11):
        clock.now += 1
        rate.of(second * 1000)
    clock.now += 1
    assert rate.of(10_000) == pytest.approx(2000 / 3)


def test_a_replay_is_done_when_all_is_sent_or_left_out() -> None:
    progress = Progress(9, 10, {}, {}, 1, 0.0, None, 0.0)
    assert progress.fraction == 1.0
