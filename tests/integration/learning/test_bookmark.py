"""A replay that is killed goes on where it was, and sees what one that was not killed sees."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.events import Behaviour, NewItem
from streamer.learning import bookmark
from streamer.learning.dataset import Dataset
from streamer.learning.launches import Launches
from streamer.replay.record import TimedRecord
from streamer.state.layout import DAY
from streamer.success import Success
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR
from tests.support.launches import Log, examples

LAUNCHES = Launches(day_zero=0.0, first_day=0.0, last_day=30.0)
ITEMS, ACTS = 40, 400


def shop() -> list[TimedRecord]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(ITEMS):
        time, item = (1.0 + number / 2) * DAY, f"item-{number}"
        listed = NewItem(item_id=item, time=time, title=item, brand=f"b{number % 3}", price=number)
        found.append(TimedRecord(NEW_ITEMS, item.encode(), listed, time, "upsert"))
    for _ in range(ACTS):
        number = int(rng.integers(ITEMS))
        time, item = (1.0 + number / 2 + rng.exponential(5)) * DAY, f"item-{number}"
        user, kind = f"u{rng.integers(50)}", str(rng.choice(["view", "purchase"]))
        act = Behaviour(item_id=item, time=time, type=kind, user_id=user, value=2.0, quantity=1.0)
        found.append(TimedRecord(USER_BEHAVIOUR, item.encode(), act, time, kind))
    return found


class Dying(Log):
    """Kills the process when it gives its `last` record."""

    last: int

    def __iter__(self) -> Iterator[TimedRecord]:
        for number, record in enumerate(super().__iter__()):
            if number == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
            yield record


def replayed(log: Log, keep: Path | None = None, told: list[int] | None = None) -> Dataset:
    progress = (told if told is not None else []).append
    return examples(log, LAUNCHES, (-1.0, 0.0, 1.0, 7.0), Success(), progress, keep)


def dies_at(last: int, keep: Path) -> None:
    bookmark.EVERY_SECONDS = 0.0
    log = Dying(shop())
    log.last = last
    replayed(log, keep)


def dies_while_it_keeps_its_place(times: int, keep: Path) -> None:
    """After snapshot and looks are written, and before the place says so."""
    bookmark.EVERY_SECONDS = 0.0
    left, dumps = times, json.dumps

    def dying(value: object) -> str:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return dumps(value)

    bookmark.json.dumps = dying  # type: ignore[attr-defined, assignment]
    replayed(Log(shop()), keep)


@pytest.fixture(scope="module")
def whole() -> Dataset:
    return replayed(Log(shop()))


@pytest.mark.parametrize(
    ("crash", "where"), [(dies_at, 30), (dies_at, 150), (dies_while_it_keeps_its_place, 60)]
)
def test_what_was_killed_goes_on_and_sees_the_same(
    tmp_path: Path, whole: Dataset, crash: object, where: int
) -> None:
    keep = tmp_path / "partial"
    process = multiprocessing.get_context("spawn").Process(target=crash, args=(where, keep))  # type: ignore[arg-type]
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    told: list[int] = []
    again = replayed(Log(shop()), keep, told)
    assert told[0] > where / 2
    assert told[-1] == ITEMS + ACTS
    for name in Dataset.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert not keep.exists()


def test_a_second_replay_of_the_same_at_once_keeps_nothing_and_spoils_nothing(
    tmp_path: Path, whole: Dataset
) -> None:
    with bookmark.bookmark(tmp_path, tmp_path) as held:
        assert held
        again = replayed(Log(shop()), tmp_path)
        assert [each.name for each in tmp_path.iterdir()] == [".lock"]
    np.testing.assert_array_equal(again.x, whole.x)
