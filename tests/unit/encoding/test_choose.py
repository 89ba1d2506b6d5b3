from __future__ import annotations

from pathlib import Path

import pytest

from streamer.encoding import choose as choosing
from streamer.encoding.choose import choose
from streamer.encoding.measuring import Measured, fastest
from streamer.encoding.recipe import Recipe, matching
from streamer.encoding.weights import Weights
from streamer.errors import ConfigurationError
from tests.support.bert import small_bert


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return small_bert(tmp_path_factory.mktemp("bert"))


def recipe(precision: str, engine: str = "torch") -> Recipe:
    return Recipe(engine, "cpu", precision, 2, 1)


def test_the_fastest_of_those_that_are_right_wins() -> None:
    slow, fast = Measured(recipe("fp32"), 1.0, 100), Measured(recipe("bf16"), 0.9999, 300)
    wrong = Measured(recipe("int8"), 0.976, 900)
    assert fastest([slow, fast, wrong]) == fast.recipe
    with pytest.raises(ConfigurationError, match=r"0\.999"):
        fastest([wrong])


def test_openvino_has_to_be_worth_its_memory() -> None:
    ours, theirs = recipe("bf16"), recipe("bf16", "openvino")
    assert fastest([Measured(ours, 1, 100), Measured(theirs, 1, 105)]) == ours
    assert fastest([Measured(ours, 1, 100), Measured(theirs, 1, 130)]) == theirs


def test_what_was_measured_is_remembered(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = choose(weights, str(weights.folder), 256, 2, "torch", tmp_path)
    monkeypatch.setattr(choosing, "_measured", lambda *_: pytest.fail("measured again"))
    assert choose(weights, str(weights.folder), 256, 2, "torch", tmp_path) == first
    assert first in matching(2, "torch")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"engine": "abacus"}'])
def test_a_memory_that_makes_no_sense_is_measured_anew(
    content: str, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "_measured", lambda *_: matching(2, "torch")[0])
    first = choose(weights, str(weights.folder), 256, 2, "torch", tmp_path)
    (memory,) = tmp_path.glob("backend-*.json")
    memory.write_text(content)
    assert choose(weights, str(weights.folder), 256, 2, "torch", tmp_path) == first
    assert memory.read_text() != content


def test_one_that_is_named_is_not_measured(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "_measured", lambda *_: pytest.fail("measured"))
    found = choose(weights, "x", 256, 2, "torch-cpu-bf16-2x1", tmp_path)
    assert found == Recipe("torch", "cpu", "bf16", 2, 1)


def test_an_unknown_name_says_which_there_are(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="torch-cpu-bf16"):
        choose(weights, "x", 256, 2, "tpu", tmp_path)


def test_a_measurement_that_breaks_says_what_to_do(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="STREAMER_ENCODER_BACKEND"):
        choose(weights, str(tmp_path / "nothing"), 256, 2, "torch", tmp_path)
