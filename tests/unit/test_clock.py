"""Stream time is the largest event time, and moves on with the wall clock while nothing arrives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.clock import StreamClock


class Wall:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_before_the_first_event_there_is_no_time() -> None:
    wall = Wall()
    clock = StreamClock(wall)
    wall.seconds += 50
    assert clock.now() == clock.latest == 0
    clock.advance(None)
    assert clock.now() == 0


def test_a_live_stream_that_falls_silent_goes_on_ageing() -> None:
    wall = Wall()
    clock = StreamClock(wall)
    clock.advance(1000.0)
    wall.seconds += 7
    assert clock.now() == 1007.0
    assert clock.latest == 1000.0
    clock.advance(999.0)
    assert clock.now() == 1007.0
    clock.advance(1003.0)
    assert clock.now() == 1003.0


@given(st.lists(st.tuples(st.floats(0, 100), st.none() | st.floats(1, 1e6)), max_size=20))
def test_the_latest_event_time_stands(steps: list[tuple[float, float | None]]) -> None:
    wall = Wall()
    clock = StreamClock(wall)
    latest = 0.0
    for pause, time in steps:
        wall.seconds += pause
        clock.advance(time)
        latest = max(latest, time or 0.0)
        assert clock.latest == latest
        assert clock.now() >= latest
