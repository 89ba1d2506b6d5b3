from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.learning.curve import Epoch
from streamer.learning.learner import Dev, Examples, learn
from streamer.learning.metrics import auc, expected_calibration_error
from streamer.learning.network import NetworkOptions
from streamer.recommend.network import Network
from tests.support import learning_together

OPTIONS = NetworkOptions(width=16, batch=64, epochs=6)
SURE = replace(OPTIONS, dropout=0.0, masked=0.0)


def examples(count: int, noise: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(count)
    x = rng.normal(size=(count, 8)).astype(np.float32)
    return x, (x[:, 0] - x[:, 1] + noise * rng.normal(size=count) > 0).astype(np.int64)


def learnt(options: NetworkOptions, noise: float = 0.3) -> tuple[Network, list[Epoch]]:
    x, label = examples(1024, noise)
    nothing, epochs = np.zeros((len(x), 0), np.float32), list[Epoch]()
    dev = Dev(*examples(400, noise))
    return learn(Examples(x, label.astype(float), nothing), options, dev, epochs.append), epochs


def test_passes_that_make_a_step_learn_what_one_pass_over_all_of_them_does() -> None:
    whole, _ = learnt(replace(SURE, batch=128, mixed=False))
    parts, _ = learnt(replace(SURE, batch=32, accumulate=4, mixed=False))
    np.testing.assert_allclose(parts.weights1, whole.weights1, atol=1e-4)


@pytest.mark.parametrize("epochs", [1, 2, 3, 10])
def test_however_few_the_steps_it_learns(epochs: int) -> None:
    found, told = learnt(replace(OPTIONS, batch=1024, epochs=epochs))
    assert len(told) == epochs
    assert np.isfinite(found.weights1).all()


def test_mixed_precision_learns_the_same_but_for_rounding() -> None:
    x, label = examples(500, 0.3)
    (single, _), (mixed, _) = (learnt(replace(SURE, mixed=mixed)) for mixed in (False, True))
    assert mixed.weights1.dtype == np.float32
    assert 0 < np.abs(mixed.weights1 - single.weights1).max() < 0.1
    assert auc(label, mixed(x)) == pytest.approx(auc(label, single(x)), abs=0.01)


def test_learning_stops_in_time_and_keeps_the_best_epoch() -> None:
    options = replace(OPTIONS, width=64, epochs=60, patience=3, learning_rate=1e-2)
    found, epochs = learnt(options, noise=3.0)
    on_dev = [epoch.metrics["dev"] for epoch in epochs]
    best = int(np.argmax(on_dev))
    assert len(epochs) == best + 1 + options.patience < options.epochs
    x, label = examples(400, 3.0)
    assert auc(label, found(x)) == on_dev[best] > on_dev[-1]


def test_without_patience_it_goes_on_to_the_end_and_the_last_epoch_stays() -> None:
    found, epochs = learnt(OPTIONS, noise=3.0)
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    x, label = examples(400, 3.0)
    assert auc(label, found(x)) == epochs[-1].metrics["dev"]


def test_a_dev_set_of_one_outcome_which_has_no_auc_stops_nothing() -> None:
    x, label = examples(1024, 0.3)
    nothing = np.zeros((len(x), 0), np.float32)
    dev = Dev(x[label == 1], label[label == 1])
    found = learn(Examples(x, label.astype(float), nothing), replace(OPTIONS, patience=1), dev)
    assert auc(label, found(x)) > 0.9


@pytest.mark.skipif(torch.cuda.device_count() == 1, reason="two processes can't share one GPU")
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone.npz", tmp_path / "together.npz"
    learning_together.main(str(alone))
    command = "-m torch.distributed.run --standalone --nproc-per-node 2 -m"
    name = learning_together.__name__
    done = subprocess.run(
        [sys.executable, *command.split(), name, str(together)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    with np.load(alone) as one, np.load(together) as two:
        assert (one["processes"], two["processes"]) == (1, 2)
        for part in ("arr_0", "arr_1"):
            np.testing.assert_allclose(two[part], one[part], atol=1e-3)
            assert np.abs(one[part]).max() > 0.1


def launches_twice(count: int) -> Examples:
    """Launches at first sight, where one input hints at success, and later, where another tells."""
    rng = np.random.default_rng(count)
    hint, tells = rng.normal(size=(2, count))
    label = (hint + 2 * tells > 0).astype(float)
    nothing, seen = np.zeros(count), np.ones(count)
    early, late = np.stack([hint, nothing, nothing], 1), np.stack([hint, tells, seen], 1)
    inputs = np.concatenate([early, late]).astype(np.float32)
    first = np.tile(np.arange(count), 2)
    nothing_else = np.zeros((2 * count, 0), np.float32)
    return Examples(inputs, np.tile(label, 2), nothing_else, first=first)


def test_the_cold_score_imitates_the_warm_one() -> None:
    learnt_from, fresh = launches_twice(300), launches_twice(2000)
    hint, label = fresh.inputs[:2000], fresh.target[:2000].astype(np.int64)
    found = []
    for weight in (0.0, 1.0):
        options = replace(OPTIONS, imitation=weight, learning_rate=2e-2, epochs=15)
        cold = learn(learnt_from, options)(hint)
        found.append(expected_calibration_error(label, 1 / (1 + np.exp(-cold))))
    assert found[1] < found[0]


@given(st.data())
def test_examples_taken_together_keep_their_first_looks(data: st.DataObject) -> None:
    whole = launches_twice(20)
    launches = data.draw(st.lists(st.integers(0, 19), min_size=1, unique=True))
    rows = np.sort(np.concatenate([launches, np.array(launches) + 20]))
    some = whole.at(rows)
    assert some.first is not None
    assert whole.first is not None
    np.testing.assert_array_equal(rows[some.first], whole.first[rows])
    np.testing.assert_array_equal(some.inputs[some.first, 0], some.inputs[:, 0])
