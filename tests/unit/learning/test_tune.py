from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import optuna
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
    assert first.options.network == NetworkOptions(batch=72, epochs=8)
    assert first.options.taught == pytest.approx(0.9 * 3611 / 3911, abs=0.01)
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


def test_a_search_that_goes_on_draws_other_options(tmp_path: Path) -> None:
    storage = tmp_path / "tune.sqlite"
    for _ in range(3):
        tune.search(launches(1000), 1, storage, 0)
    assert len({trial.params["width"] / trial.params["dropout"] for trial in _trials(storage)}) == 3


def test_defaults_whose_trial_was_killed_are_tried_again(tmp_path: Path) -> None:
    storage = tmp_path / "tune.sqlite"
    tune.search(launches(1000), 1, storage, 0)
    with sqlite3.connect(storage) as trials:
        trials.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL")
        trials.execute("DELETE FROM trial_values")
    found = tune.search(launches(1000), 1, storage, 0)
    assert (found.trials, found.auc) == (1, found.default_auc)


def test_a_file_that_holds_no_trials_is_refused(tmp_path: Path) -> None:
    storage = tmp_path / "tune.sqlite"
    storage.write_text("no database at all")
    with pytest.raises(ConfigurationError, match=r"tune.sqlite can't hold trials \(file is not a"):
        tune.search(launches(), 1, storage, 0)


def _trials(storage: Path) -> list[optuna.trial.FrozenTrial]:
    url = f"sqlite:///{storage}"
    (name,) = optuna.get_all_study_names(url)
    return optuna.load_study(study_name=name, storage=url).trials
