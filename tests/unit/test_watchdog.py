"""What stands still is noticed by the watchdog's own wakeups, whatever the clock says."""

from __future__ import annotations

import asyncio
import threading

import pytest

from streamer import watchdog
from streamer.errors import Stalled, StoreEmpty
from streamer.watchdog import LOOP, Watchdog

LIMIT = 60.0


class App:
    """Fails as a StreamerApp does: the first failure counts."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure

    def fail(self, error: BaseException) -> None:
        self.failure = self.failure or error


def looks(dog: Watchdog, shown: list[dict[str, float]]) -> list[str | None]:
    """What it sees at a wakeup after each of these was shown."""
    found = []
    for standing in shown:
        dog.show(standing)
        found.append(dog.look())
    return found


def test_what_has_not_moved_for_the_limit_has_stalled() -> None:
    dog = Watchdog(App(), LIMIT)
    count = int(LIMIT / dog.interval_seconds)
    seen = looks(dog, [{"moves": at, "stands": 1.0} for at in range(count + 2)])
    assert seen == [None] * (count + 1) + ["stands"]


def test_what_waits_again_after_it_had_nothing_to_do_is_given_the_limit_anew() -> None:
    dog = Watchdog(App(), LIMIT)
    count = int(LIMIT / dog.interval_seconds)
    waits: dict[str, float] = {"a": 1.0}
    assert not any(looks(dog, [*([waits] * count), {}, *([waits] * count)]))


def test_the_loop_has_stalled_when_it_shows_nothing_more() -> None:
    dog = Watchdog(App(), LIMIT)
    dog.show({"a": 1.0})
    seen = [dog.look() for _ in range(2 + int(LIMIT / dog.interval_seconds))]
    assert seen == [None] * (len(seen) - 1) + [LOOP]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """With what the process was left."""
    found: list[BaseException | None] = []
    monkeypatch.setattr(watchdog, "STALLED_STAYS_SECONDS", 0.0)
    monkeypatch.setattr(watchdog, "leave", found.append)
    return found


def test_an_app_fails_whose_loop_runs(left: list[BaseException | None]) -> None:
    app = App()

    async def scenario() -> None:
        with Watchdog(app, 0.03) as dog:
            while not app.failure:
                dog.show({"a": 1.0})
                await asyncio.sleep(dog.interval_seconds / 2)

    asyncio.run(scenario())
    assert isinstance(app.failure, Stalled)
    assert not left


def test_an_app_fails_though_there_is_nowhere_left_to_tell_it(
    left: list[BaseException | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(watchdog.log, "critical", closed)
    app = App()

    async def scenario() -> None:
        with Watchdog(app, 0.03) as dog:
            async with asyncio.timeout(10.0):
                while not app.failure:
                    dog.show({"a": 1.0})
                    await asyncio.sleep(dog.interval_seconds / 2)

    asyncio.run(scenario())
    assert isinstance(app.failure, Stalled)


@pytest.mark.parametrize("failed", [None, StoreEmpty("it is gone")])
def test_a_stall_does_not_hide_what_the_app_has_failed_with(
    left: list[BaseException | None],
    failed: BaseException | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its loop stands still on the way out."""
    monkeypatch.setattr(watchdog, "ENDING_SECONDS", 0.0)
    app = App(failed)

    async def scenario() -> None:
        with Watchdog(app, 0.03):
            while not left:
                threading.Event().wait(0.01)

    asyncio.run(scenario())
    assert [type(error) for error in left] == [type(failed) if failed else Stalled]
