"""How networks learnt: as numbers on a board, as a picture, with the bundle and on the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from streamer import registry
from streamer.learning import teacher
from streamer.learning.curve import Curves
from streamer.learning.evaluate import Evaluation, Row
from streamer.learning.fit import FitOptions, fit
from streamer.learning.network import NetworkOptions
from streamer.learning.pictures import draw
from streamer.learning.tensorboard import Board
from tests.support.bundles import random_predictor
from tests.support.launches import launches

PNG = b"\x89PNG"


@pytest.mark.parametrize("patience", [0, 1])
def test_every_epoch_of_every_network_is_on_the_board_and_in_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    monkeypatch.setattr(teacher, "ROUNDS", 5)
    network = NetworkOptions(epochs=2, patience=patience, batch=32, learning_rate=1e-2)
    with Board(tmp_path) as board:
        curves = Curves(board)
        fit(launches(2000), FitOptions(folds=2, members=1, network=network), told=curves)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    judged = {"fold-1", "fold-2"} | ({"member-1"} if patience else set())
    expected = {f"loss/{n}/train" for n in ("fold-1", "fold-2", "member-1")}
    assert set(events.Tags()["scalars"]) == expected | {f"auc/{n}/dev" for n in judged}
    assert [each.step for each in events.Scalars("auc/fold-1/dev")] == [1, 2]
    assert events.Scalars("auc/fold-1/dev")[-1].value > 0.7
    assert curves.draw().startswith(PNG)


def test_a_bundle_keeps_its_curve_and_the_page_of_an_evaluation_shows_it(tmp_path: Path) -> None:
    about = {"encoder": "e", "dimensions": 384, "metrics": {}}
    registry.save(tmp_path, "launch-1", random_predictor(), about, "card", PNG)
    model = registry.load(tmp_path, "launch-1")
    test = launches(400)
    row = Row(model.name, {0.0: np.array([0.9, 0.8, 1.0])}, {0.0: [0.9]}, {0.0: 0.01})
    found = Evaluation(model.name, 400, 400, [row], {}, 0.95, 0.99, test, np.linspace(0, 1, 400))
    draw(found, tmp_path / "with", model.curve)
    draw(found, tmp_path / "without")
    assert (tmp_path / "with" / "learning.png").read_bytes() == PNG
    assert 'src="learning.png"' in (tmp_path / "with" / "index.html").read_text()
    assert "learning.png" not in (tmp_path / "without" / "index.html").read_text()
