from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streamer.errors import ConfigurationError
from streamer.learning import teacher, tune
from streamer.learning.fit import FitOptions
from streamer.learning.network import NetworkOptions
from tests.support.launches import launches


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "ROUNDS", 5)


def test_a_search_begins_with_the_defaults_and_goes_on_where_it_was(tmp_path: Path) -> None:
    study, told = tmp_path / "new" / "tune.sqlite", list[int]()
    first = tune.search(launches(), 1, study, 0, told.append)
    assert (first.trials, told) == (1, [1])
    assert first.auc == first.default_auc > 0.8
    assert first.options == FitOptions(network=NetworkOptions(batch=72))
    again = tune.search(launches(), 2, study, 0)
    assert again.trials == 3
    assert again.default_auc == first.default_auc
    assert again.auc >= first.auc


def test_trials_on_other_vectors_do_not_count(tmp_path: Path) -> None:
    study, data = tmp_path / "tune.sqlite", launches()
    tune.search(data, 1, study, 0)
    other = tune.search(replace(data, content=data.content + 1), 1, study, 0)
    assert other.trials == 1


def test_what_is_found_is_read_back(tmp_path: Path) -> None:
    assert tune.read(tune.stored(FitOptions()), seed=3) == FitOptions(seed=3)
    with pytest.raises(ConfigurationError, match="no training options"):
        tune.read({"taught": 0.5, "depth": 9}, seed=0)


def test_too_few_launches_are_refused(tmp_path: Path) -> None:
    data = launches()
    short = data.where(data.launch_day < 3)
    with pytest.raises(ConfigurationError, match="42 launches of 167, and both parts need 50"):
        tune.search(short, 1, tmp_path / "s.sqlite", 0)


def test_trials_of_other_launches_do_not_count(tmp_path: Path) -> None:
    storage, data = tmp_path / "tune.sqlite", launches(1000)
    assert tune.search(data, 1, storage, 0).trials == 1
    assert tune.search(data.where(data.launch_day < 60), 1, storage, 0).trials == 1
