from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from streamer.learning import teacher
from streamer.learning.fit import FitOptions
from streamer.learning.metrics import auc
from tests.support.launches import launches


def test_what_trees_say_of_a_launch_does_not_know_its_label() -> None:
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(2000, 10)), rng.integers(0, 2, 2000)
    folds = list(KFold(4, shuffle=True, random_state=0).split(x))
    done: list[int] = []
    said = teacher.held_out(x, label, folds, 0, done.append)
    for grow in teacher.TEACHERS:
        assert auc(label, grow(x, label, 0)(x)) > 0.9
    assert abs(auc(label, said) - 0.5) < 0.06
    assert done == [1, 2, 3, 4]


def test_trees_teach_the_more_the_more_launches_there_are() -> None:
    weights = [FitOptions().taught_of(launches(count)) for count in (50, 500, 5000)]
    assert weights == sorted(weights)
    assert weights[0] < 0.2
    assert 0.8 < weights[-1] < 0.9
    assert FitOptions(taught=0.3).taught_of(launches(50)) == pytest.approx(0.3)


def test_many_examples_are_gone_through_more_often_than_few() -> None:
    few, many = FitOptions().network.settled(800), FitOptions().network.settled(130_000)
    assert (few.epochs, few.batch) == (8, 16)
    assert (many.epochs, many.batch) == (16, 256)
