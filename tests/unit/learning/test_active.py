"""Which items are chosen to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import registry
from streamer.cli import active as cli
from streamer.errors import ConfigurationError
from streamer.learning import active_curve, examples, teacher
from streamer.learning.accepted import Accepted
from streamer.learning.active import Pool, Strategy, choose, information, nearest
from streamer.learning.active_curve import Curve, joined, pseudo_labelled
from streamer.learning.launches import Launches
from streamer.learning.study import Study
from streamer.report import Results
from streamer.settings import Settings
from tests.support.bundles import SHIPPED
from tests.support.launches import Log, launches
from tests.support.steps import SilentSteps

NOTHING = np.zeros((0, 2))


@given(st.floats(-8, 8), st.floats(0, 3), st.floats(0.1, 2))
def test_information_is_within_a_bit_and_grows_with_disagreement(
    logit: float, uncertainty: float, more: float
) -> None:
    less, greater = information(
        np.array([logit, logit]), np.array([uncertainty, uncertainty + more])
    )
    assert 0 <= less <= greater <= 1
    assert information(np.array([logit]), np.array([0.0]))[0] == pytest.approx(0, abs=1e-9)


def test_information_is_the_ensembles() -> None:
    rng = np.random.default_rng(0)
    members = 1 / (1 + np.exp(-rng.normal(0.5, 1.2, 400_000)))

    def entropy(p: np.ndarray) -> np.ndarray:
        return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))

    drawn = entropy(members.mean()) - entropy(members).mean()
    assert information(np.array([0.5]), np.array([1.2]))[0] == pytest.approx(drawn, abs=2e-3)


@pytest.mark.parametrize("strategy", Strategy)
def test_each_way_chooses_so_many_different_items(strategy: Strategy) -> None:
    rng = np.random.default_rng(1)
    pool = Pool(rng.normal(size=50), rng.random(50), rng.normal(size=(50, 2)))
    chosen = choose(strategy, pool, 20, NOTHING, seed=0).tolist()
    assert len(set(chosen)) == 20
    assert len(choose(strategy, pool, 80, NOTHING, seed=0)) == 50


def test_of_twins_one_is_chosen_and_none_where_one_is_known() -> None:
    vectors = np.array([[0.0, 0.0]] * 5 + [[3.0, 0.0], [0.0, 1.0]])
    uncertainty = np.array([2.0] * 5 + [1.0, 0.5])
    pool = Pool(np.zeros(7), uncertainty, vectors)
    assert choose(Strategy.INFORMATION, pool, 3, NOTHING, seed=0).tolist() == [0, 1, 2]
    chosen = choose(Strategy.MIXED, pool, 3, NOTHING, seed=0)
    assert chosen.tolist() == [0, 5, 6]
    assert nearest(vectors, chosen).tolist() == [0, 0, 0, 0, 0, 1, 2]
    assert choose(Strategy.MIXED, pool, 2, vectors[:1], seed=0).tolist() == [5, 6]


def test_pseudo_labels_are_distributed_as_labels_and_one_for_all_looks_at_a_launch() -> None:
    data = launches(3000)
    known, rest = data.where(np.arange(3000) < 300), data.where(np.arange(3000) >= 300)
    twice = joined(rest, replace(rest, age=np.full(len(rest), 7.0)))
    predictor = registry.active(SHIPPED).predictor
    predictor = replace(
        predictor, components=predictor.components[:, :40], content_mean=predictor.content_mean[:40]
    )
    found = pseudo_labelled(twice, known, predictor)
    assert found.label.mean() == pytest.approx(known.label.mean(), abs=0.01)
    assert set(found.outcome) <= set(known.outcome)
    assert (found.label[:2700] == found.label[2700:]).all()
    logit = predictor.score(rest.x, rest.content, np.zeros(len(rest), np.int64)).logit
    ours = found.label[:2700] == 1
    assert logit[ours].min() >= logit[~ours].max()


def test_the_command_reports_every_way_beside_chance_and_draws_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_up(*arguments: object) -> list[Curve]:
        values = np.array([[0.7, 0.8, 0.85, 0.9], [0.6, 0.7, 0.8, 0.85]])
        return [Curve(each, values + 0.01 * n, values / 10) for n, each in enumerate(Strategy)]

    given = launches(1000), SimpleNamespace(test=None)
    monkeypatch.setattr(examples, "examples", lambda *_: given)
    study = Study(Accepted(Log([]), Settings()), [], Launches(0.0, 0.0, 90.0), 60.0)
    monkeypatch.setattr(active_curve, "curves", made_up)
    results = Results("evaluate", {})
    cli.measure(Settings(), study, 2, tmp_path, SilentSteps(), results)
    assert results.parameters == {"seeds": 2}
    rows = {row["name"]: row for row in results.rows}
    mixed = rows["evaluate.active.auc.mixed.800"]
    assert (mixed["value"], mixed["peer"]) == (pytest.approx(0.915), "random")
    assert mixed["peer_value"] == pytest.approx(0.875)
    assert len(rows) == 2 * len(Strategy) * len(cli.COUNTS)
    assert (tmp_path / active_curve.PICTURE).stat().st_size > 10_000
    few = launches(700), SimpleNamespace(test=None)
    monkeypatch.setattr(examples, "examples", lambda *_: few)
    with pytest.raises(ConfigurationError, match="only 700 to learn from"):
        cli.measure(Settings(), study, 2, tmp_path, SilentSteps(), results)


def test_curves_start_alike_and_part_with_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "ROUNDS", 5)
    monkeypatch.setattr(active_curve, "UPDATES", 1)
    monkeypatch.setattr(active_curve, "PSEUDO_LAUNCHES", 100)
    data = launches(1500)
    early = data.launch_day < 60
    ways, told = (Strategy.RANDOM, Strategy.MIXED, Strategy.PSEUDO), list[int]()
    found = active_curve.curves(
        data.where(early), data.where(~early), (200, 400), 1, told.append, ways
    )
    assert tuple(curve.strategy for curve in found) == ways
    assert told == [1, 2, 3, 4, 5, 6]
    chance, mixed, pseudo = (curve.auc[0] for curve in found)
    assert chance[0] == mixed[0]
    assert chance[1] != mixed[1]
    assert (chance != pseudo).all()
