"""What a bundle would have earned in a shop that draws the lists of each board by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from streamer import registry
from streamer.cli import app
from streamer.judge import Judge
from streamer.learning import bundle_policy
from streamer.learning.bundle_policy import STEP_SECONDS, Course, lists
from streamer.learning.exposures import Hope
from streamer.learning.own_log import OwnLog, own_log
from streamer.replay.sources.log import open_log
from streamer.settings import Settings
from tests.support.bundles import SHIPPED
from tests.support.steps import SilentSteps

pytest.importorskip("obp")

ITEMS, PLACES, REQUESTS, BOARDS = 24, 3, 1500, ("Kitchen", "Garden")
START = 1_700_000_000.0 // STEP_SECONDS * STEP_SECONDS
FIRST_HOUR = int(START // STEP_SECONDS) + 1

Write = Callable[[str, bool], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, boards_logged: bool) -> Path:
        events = list(_events(boards_logged))
        file = tmp_path / name
        file.write_text("".join(json.dumps(event) + "\n" for event in events))
        return file

    catalogue = "".join(json.dumps(item) + "\n" for item in map(_item, range(ITEMS)))
    (tmp_path / "items.jsonl").write_text(catalogue)
    return written


def _item(number: int) -> dict[str, Any]:
    return {
        "item_id": f"item-{number}",
        "time": START + number,
        "title": f"Item {number}",
        "category": [BOARDS[number % 2]],
        "price": 9.0 + number,
    }


def _events(boards_logged: bool) -> Iterator[dict[str, Any]]:
    """Each request is for one of two boards of twelve items, which are drawn evenly."""
    rng = np.random.default_rng(7)
    for request in range(REQUESTS):
        time = START + STEP_SECONDS * (1 + 5 * request / REQUESTS)
        board, mine = BOARDS[request % 2], np.arange(request % 2, ITEMS, 2)
        for place, item in enumerate(rng.permutation(mine)[:PLACES].tolist()):
            shown = {
                "item_id": f"item-{item}",
                "time": time,
                "session": f"request-{request}",
                "position": place + 1,
                "propensity": 1 / len(mine),
                **({"board": board} if boards_logged else {}),
            }
            yield {**shown, "type": "impression"}
            if rng.random() < 0.3:
                yield {**shown, "type": "click", "time": time}


def evaluated(file: Path) -> OwnLog:
    source = open_log([file], file.parent / "items.jsonl")
    bundle, hope = registry.active(SHIPPED), Hope("click", 600.0)
    return own_log(source, bundle, hope, Settings(), SilentSteps(), texts=False)


def test_lists_are_weighed_by_those_of_their_board(write: Write) -> None:
    log = evaluated(write("behaviour.jsonl", True)).log
    mean, error = log.mean_weight
    assert mean == pytest.approx(1.0, abs=4 * error)
    assert error < 0.05
    assert not log.doubtful


def test_a_log_that_does_not_say_of_which_board_is_doubted(write: Write) -> None:
    file = write("behaviour.jsonl", False)
    files = [str(file), "--catalogue", str(file.parent / "items.jsonl")]
    environment = {"STREAMER_MODEL_STORE": str(SHIPPED)}
    done = CliRunner().invoke(app, ["offpolicy", *files, "--no-texts"], env=environment)
    assert done.exit_code == 0, done.output
    assert "the weights average 0.5" in done.stderr
    assert "board" in done.stderr


def test_a_boards_lists_are_drawn_of_its_best_items(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("behaviour.jsonl", True)
    source, judge = open_log([file], file.parent / "items.jsonl"), Judge(registry.active(SHIPPED))

    def of(board: str) -> dict[str, float]:
        at = FIRST_HOUR, board
        course = Course(judge, lambda _: (), {at: PLACES}, Settings().launch_window_days)
        found = lists(source, course, lambda _: None)[at]
        return {item: float(found.logit[row]) for item, row in found.items.items()}

    every = of("Kitchen")
    assert set(every) <= {f"item-{number}" for number in range(0, ITEMS, 2)}
    assert not of("Nowhere")
    monkeypatch.setattr(bundle_policy, "AMONG_ITEMS", PLACES)
    best = of("Kitchen")
    assert len(best) == PLACES
    assert min(best.values()) >= max(every[item] for item in set(every) - set(best))
