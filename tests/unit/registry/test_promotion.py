"""Promote, roll back, add: what is let through, what is refused, and what is kept of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.errors import BundleError
from streamer.registry import bundles, pointer
from streamer.registry.listing import compared
from streamer.registry.predictors import save
from streamer.registry.promotion import activate, add, promote, rollback
from streamer.state.features import VERSIONS
from tests.support.bundles import (
    DIMENSIONS,
    measured,
    promoted,
    random_predictor,
    shipped_store,
    write_bundle,
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """`old` is in use."""
    write_bundle(tmp_path, "old", **measured(0.90))
    promote(tmp_path, "old", why="the first", by="ann")
    return tmp_path


def in_use(store: Path) -> str | None:
    return pointer.current(store, "launch")


def test_a_better_bundle_is_promoted_and_the_history_says_so(store: Path) -> None:
    write_bundle(store, "new", **measured(0.91))
    promote(store, "new", why="a better June", by="bob")
    assert in_use(store) == "new"
    last = pointer.history(store)[-1]
    assert (last.action, last.before, last.to, last.by, last.why, last.overruled) == (
        "promote",
        "old",
        "new",
        "bob",
        "a better June",
        (),
    )
    assert last.at.endswith("Z")


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (measured(0.89), "it is worse on average: 0.8900 against 0.9000 in use"),
        (measured(0.95, encoder="another-encoder"), "it reads vectors of encoder another-enco"),
        (measured(0.95, test_fingerprint="x"), "was not measured on the test examples of old"),
        (measured(float("nan")), "it was not measured for auc.age_0d, auc.age_7d"),
        (measured(0.95, None), "it was not measured for ece.age_0d, ece.age_7d"),  # type: ignore[arg-type]
        (
            measured(0.95, success={"outcome": "value"}),
            "it says P of another success (value in 56 days above 80 % of the launches of the same "
            "30 days) than old (not told which)",
        ),
    ],
)
def test_what_may_be_overruled_is_refused_in_one_line_unless_forced(
    store: Path, about: dict[str, Any], reason: str
) -> None:
    write_bundle(store, "new", **about)
    with pytest.raises(BundleError) as refused:
        promote(store, "new")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert in_use(store) == "old"
    promote(store, "new", why="I know better", by="bob", force=True)
    assert in_use(store) == "new"
    (overruled,) = pointer.history(store)[-1].overruled
    assert reason in overruled


def damaged(store: Path) -> None:
    path = write_bundle(store, "new", **measured(0.95)) / bundles.TENSORS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def of_another_schema(store: Path) -> None:
    path = write_bundle(store, "new", **measured(0.95)) / bundles.MANIFEST
    path.write_text(bundles.sealed({**json.loads(path.read_text()), "schema": 1}))


def of_other_features(store: Path) -> None:
    write_bundle(store, "new", **measured(0.95), features=["price"])


def of_another_definition(store: Path) -> None:
    write_bundle(store, "new", **measured(0.95), feature_versions={**VERSIONS, "views": 0})


def saying(**arrays: Any) -> Callable[[Path], None]:
    """A bundle with these arrays in the place of its own."""

    def write(store: Path) -> None:
        manifest = {"encoder": "test-encoder", "dimensions": DIMENSIONS, **measured(0.95)}
        save(store, "new", replace(random_predictor(), **arrays), manifest, "# new\n")

    return write


def of_shorter_vectors(store: Path) -> None:
    write_bundle(store, "new", **{**measured(0.95), "dimensions": 100})


NOT_A_NUMBER = random_predictor().weights2 * np.float32("nan")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (saying(weights2=NOT_A_NUMBER), "can't score: its numbers are not finite"),
        (saying(weights2=NOT_A_NUMBER[:, :-1]), "can't score: ValueError"),
        (of_shorter_vectors, "can't score: ValueError"),
        (damaged, "tensors.safetensors does not match its hash"),
        (of_another_schema, "has schema 1, this streamer reads 2"),
        (of_other_features, "was made for other features"),
        (of_another_definition, "learnt views by another definition"),
        (lambda store: None, "there is no bundle new in"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_what_can_not_be_used_is_refused_even_if_forced(
    store: Path, make: Any, reason: str, force: bool
) -> None:
    make(store)
    with pytest.raises(BundleError, match=reason):
        promote(store, "new", force=force)
    assert in_use(store) == "old"


def test_a_bundle_that_turns_scores_around_is_promoted_by_force_alone(store: Path) -> None:
    saying(slope=np.array([1.0, -1.0, 1.0]))(store)
    with pytest.raises(BundleError, match="its calibration turns the scores of a stage around"):
        promote(store, "new")
    promote(store, "new", why="to see it", force=True)
    assert in_use(store) == "new"


def test_what_is_in_use_is_not_promoted_again(store: Path) -> None:
    with pytest.raises(BundleError, match="old is in use already"):
        promote(store, "old")


def refusal(store: Path, name: str, auc: float, **about: Any) -> str:
    """Why a new bundle that is as good as that is not promoted; '' if it is."""
    write_bundle(store, name, **measured(auc, **about))
    return activate(store, name)


def test_many_small_losses_are_no_large_one(store: Path) -> None:
    assert refusal(store, "a-little-worse", 0.8996) == ""
    assert refusal(store, "and-again", 0.8992) == ""
    assert (
        "it is worse on average: 0.8988 against 0.8992 in use, which is 0.0008 behind the best "
        "before it" in refusal(store, "and-once-more", 0.8988)
    )
    assert refusal(store, "as-good-as-the-first", 0.9) == ""
    assert refusal(store, "less-than-that", 0.8992) == ""
    behind = [change.behind for change in pointer.history(store)]
    assert behind == pytest.approx([0.0, 0.0004, 0.0008, 0.0, 0.0008])


def test_losses_add_up_over_other_test_examples(store: Path) -> None:
    """Each bundle was measured on examples of its own, beside the one before it."""
    refused, before = [], "old"
    for month in ("july", "august", "september"):
        beside = {"name": before, "metrics": measured(0.8004)["metrics"]}
        about = {"test_fingerprint": month, "incumbent": beside}
        refused.append(bool(refusal(store, month, 0.8, **about)))
        before = month
    assert refused == [False, False, True]


def test_who_goes_back_is_as_far_behind_as_before(store: Path) -> None:
    assert refusal(store, "worse", 0.8994) == ""
    assert refusal(store, "much-better", 0.91) == ""
    rollback(store)
    assert "worse on average" in refusal(store, "worse-still", 0.8988)
    assert refusal(store, "as-bad", 0.8994) == ""


def test_a_damaged_bundle_in_use_makes_nobody_forget_how_far_behind_it_was(store: Path) -> None:
    assert refusal(store, "worse", 0.8994) == ""
    (store / "worse" / bundles.CARD).write_text("changed")
    assert refusal(store, "as-bad", 0.8994) == ""
    assert "worse on average" in refusal(store, "worse-still", 0.8988)


def test_a_store_that_is_taken_over_is_as_far_behind_as_it_was(store: Path, tmp_path: Path) -> None:
    assert refusal(store, "worse", 0.8994) == ""
    taken = tmp_path / "taken"
    add(taken, store)
    assert in_use(taken) == "worse"
    assert "worse on average" in refusal(taken, "worse-still", 0.8988)


def test_what_is_forced_is_what_others_are_measured_by_from_then_on(store: Path) -> None:
    write_bundle(store, "forced", **measured(0.85))
    promote(store, "forced", why="old has seen the test examples", force=True)
    assert refusal(store, "a-little-worse", 0.8495) == ""
    assert "worse on average" in refusal(store, "and-again", 0.8488)


def test_a_comparison_tells_what_a_promotion_would(store: Path) -> None:
    assert refusal(store, "worse", 0.8992) == ""
    reason = refusal(store, "worse-still", 0.8988)
    (told,) = compared(store, "worse-still", None).objections
    assert told in reason


def test_going_back_twice_goes_back_two(store: Path) -> None:
    write_bundle(store, "new", **measured(0.91))
    write_bundle(store, "newest", **measured(0.92))
    promote(store, "new")
    promote(store, "newest")
    assert rollback(store, why="odd boards", by="eve").to == "new"
    assert in_use(store) == "new"
    assert rollback(store).to == "old"
    assert in_use(store) == "old"
    with pytest.raises(BundleError, match="nothing to go back to"):
        rollback(store)
    told = [(c.action, c.before, c.to) for c in pointer.history(store)]
    assert told[-2:] == [("rollback", "newest", "new"), ("rollback", "new", "old")]
    assert pointer.history(store)[-2].why == "odd boards"
    promote(store, "newest")
    assert rollback(store).to == "old"


def test_going_back_does_not_ask_whether_it_is_better(store: Path) -> None:
    write_bundle(store, "new", **measured(0.99))
    promote(store, "new")
    assert rollback(store).to == "old"


def test_nobody_goes_back_to_a_damaged_bundle(store: Path) -> None:
    write_bundle(store, "new", **measured(0.91))
    promote(store, "new")
    (store / "old" / bundles.CARD).write_text("changed")
    with pytest.raises(BundleError, match="old is damaged"):
        rollback(store)
    assert in_use(store) == "new"


def test_a_damaged_bundle_in_use_is_no_obstacle_to_a_sound_one(store: Path) -> None:
    (store / "old" / bundles.CARD).write_text("changed")
    write_bundle(store, "new", **measured(0.5))
    promote(store, "new")
    assert in_use(store) == "new"


def test_the_sentiment_of_each_encoder_is_promoted_for_itself(store: Path) -> None:
    for name, encoder in (("s1", "e1"), ("s2", "e2"), ("s3", "e1")):
        about = {"encoder": encoder, "metrics": {"auc": 0.9}, "test_fingerprint": "reviews"}
        bundles.write(store, name, "sentiment", {"weight": np.ones(4)}, about, "# s")
        promote(store, name)
    assert pointer.current(store, "sentiment/e1") == "s3"
    assert pointer.current(store, "sentiment/e2") == "s2"
    assert in_use(store) == "old"
    assert rollback(store, "sentiment/e1").to == "s1"
    with pytest.raises(BundleError, match="nothing to go back to"):
        rollback(store, "sentiment/e2")


def test_a_bundle_from_elsewhere_is_taken_in_whole(store: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder = write_bundle(elsewhere, "new", **measured(0.91))
    assert add(store, folder) == ["new"]
    assert in_use(store) == "old"
    for file in folder.iterdir():
        assert (store / "new" / file.name).read_bytes() == file.read_bytes()
    with pytest.raises(BundleError, match="never overwritten"):
        add(store, folder)


def test_a_damaged_bundle_from_elsewhere_is_not(store: Path, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "elsewhere", "new")
    (folder / bundles.CARD).write_text("changed")
    with pytest.raises(BundleError, match="is damaged"):
        add(store, folder)
    assert bundles.names(store) == ["old"]


def test_a_store_is_filled_from_another_one_and_keeps_its_own_choice(tmp_path: Path) -> None:
    shipped, own = shipped_store(tmp_path), tmp_path / "own"
    own.mkdir()
    assert add(own, shipped) == bundles.names(shipped)
    assert {(c.slot, c.to) for c in pointer.history(own)} == {
        (c.slot, c.to) for c in pointer.history(shipped)
    }
    write_bundle(own, "mine")
    promoted(own, "mine")
    assert add(own, shipped) == []
    assert in_use(own) == "mine"


def test_what_is_no_bundle_can_not_be_added(store: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="neither a bundle nor a store"):
        add(store, tmp_path / "empty")


def test_a_store_without_room_says_so(store: Path) -> None:
    write_bundle(store, "new", **measured(0.95))
    shutil.rmtree(store / "old")
    (store / ".lock").unlink()
    (store / ".lock").mkdir()
    with pytest.raises(BundleError, match="can't be written"):
        promote(store, "new")
