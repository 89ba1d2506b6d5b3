"""`streamer models …`, typed as a user types it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from streamer.cli import main
from streamer.registry import bundles
from tests.support.bundles import measured, promoted, twin, write_bundle

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """`old` is in use, `new` is better, `bad` is damaged."""
    store = tmp_path / "store"
    write_bundle(store, "old", 1, **measured(0.90))
    write_bundle(store, "new", 2, **measured(0.91))
    promoted(store, "old")
    (write_bundle(store, "bad", 3, **measured(0.99)) / bundles.CARD).write_text("changed")
    return store


@pytest.fixture
def models(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    """Types a command; gives its exit code and what it prints on both streams."""
    monkeypatch.setenv("STREAMER_MODEL_STORE", str(store))
    monkeypatch.setenv("COLUMNS", "200")

    def typed(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["streamer", "models", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return typed


def read(typed: tuple[int, str, str]) -> Any:
    assert typed[0] == 0, typed[2]
    return json.loads(typed[1])


def test_list_tells_what_is_in_use_how_good_it_is_and_what_is_damaged(models: Type) -> None:
    rows = {row["name"]: row for row in read(models("list", "--json"))}
    assert {name: row["in_use"] for name, row in rows.items()} == {
        "old": True,
        "new": False,
        "bad": False,
    }
    assert rows["new"]["quality"] == pytest.approx(0.91)
    assert rows["new"]["calibration_error"] == pytest.approx(0.01)
    assert "README.md does not match its hash" in rows["bad"]["damage"]
    code, printed, _ = models("list")
    assert code == 0
    (line,) = [line for line in printed.splitlines() if " old " in line]
    assert "●" in line
    assert "0.9000" in line


def test_names_are_told_whole_where_nobody_looks(
    models: Type, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    write_bundle(store, name := "launch-" + 90 * "x", 2, **measured(0.92))
    models("promote", name, "--why", "w" * 90)
    for command in (["list"], ["history"], ["compare", name]):
        (line,) = [line for line in models(*command)[1].splitlines() if name in line]
        assert "…" not in line


@pytest.mark.parametrize("chars", [27, 90])
def test_a_narrow_terminal_cuts_no_name(
    models: Type, store: Path, monkeypatch: pytest.MonkeyPatch, chars: int
) -> None:
    """It stays whole, or is folded where it would leave no room for anything else."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    name = "x" * chars
    write_bundle(store, name, 2, **measured(0.92))
    models("promote", name)
    for command in ("list", "history"):
        printed = models(command)[1]
        assert "…" not in printed
        assert max(map(len, Text.from_ansi(printed).plain.splitlines())) <= 81
        assert Text.from_ansi(printed).plain.count("x") == chars
        assert (name in printed) == (chars == 27)


def test_show_prints_the_card_and_where_it_comes_from(models: Type) -> None:
    code, printed, _ = models("show", "new")
    assert code == 0
    assert printed.startswith("# A bundle for tests")
    assert "launches-of-june" in printed
    assert read(models("show", "new", "--json"))["metrics"]["auc.age_0d"] == 0.91


def test_compare_puts_metrics_side_by_side_and_says_what_the_gate_says(models: Type) -> None:
    found = read(models("compare", "new", "--json"))
    assert (found["name"], found["other"], found["objections"]) == ("new", "old", [])
    assert {m["name"]: m["candidate"] for m in found["metrics"]}["auc.age_7d"] == 0.91
    code, printed, _ = models("compare", "old", "new")
    assert code == 0
    assert "-0.0100" in printed
    assert "✗ it is worse on average" in printed
    assert models("compare", "old")[2] == (
        "error: say with what to compare old: nothing else has been in use yet\n"
    )


def test_promote_rollback_and_history_tell_one_story(models: Type) -> None:
    assert models("promote", "new", "--why", "June", "--by", "ann")[:2] == (
        0,
        "in use: new, before: old\n",
    )
    assert models("compare", "new")[1].splitlines()[0].split() == ["new", "old", "difference"]
    assert models("rollback", "--why", "odd", "--by", "bob")[:2] == (
        0,
        "in use: old, before: new\n",
    )
    changes = read(models("history", "--json"))
    assert [(c["by"], c["to"], c["why"]) for c in changes[1:]] == [
        ("ann", "new", "June"),
        ("bob", "old", "odd"),
    ]
    assert changes[-1]["action"] == "rollback"
    assert "odd" in models("history")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["promote", "bad"], 7, "bundle bad is damaged: README.md does not match its hash"),
        (["promote", "bad", "--force", "--why", "x"], 7, "bundle bad is damaged"),
        (["promote", "none"], 7, "there is no bundle none in "),
        (["show", "none"], 7, "; there are: bad, feeling, new, old"),
        (["show", "none", "--store", "."], 7, "there is no bundle none in .; there are: none"),
        (["promote", "old"], 7, "old is in use already"),
        (["promote", "new", "--force"], 2, "--force needs a reason for the history: --why"),
        (["rollback"], 7, "nothing to go back to"),
        (["rollback", "--kind", "sentiment"], 7, "nothing to go back to"),
        (["show", "../store"], 7, "is no name of a bundle"),
        (["add", "."], 7, "is neither a bundle nor a store of bundles"),
        (["verify"], 8, "1 of 4 bundles can't be used"),
        (["verify", "--store", "nowhere"], 8, "there are no bundles in nowhere"),
        (["compare", "new", "feeling"], 7, "new is of kind launch, feeling of kind sentiment"),
    ],
)
def test_what_does_not_work_is_one_line_and_an_exit_code(
    models: Type,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    reason: str,
) -> None:
    (tmp_path / "empty").mkdir()
    bundles.write(tmp_path / "store", "feeling", "sentiment", {}, {"encoder": "e"}, "# A sentiment")
    monkeypatch.chdir(tmp_path / "empty")
    found, _, told = models(*arguments)
    assert found == code
    assert told.startswith("error: ")
    assert reason in told
    assert told.count("\n") == 1


def test_what_force_overrules_is_told_and_kept(models: Type, store: Path) -> None:
    write_bundle(store, "worse", **measured(0.8))
    code, _, told = models("promote", "worse")
    assert (code, told.count("\n")) == (7, 1)
    assert told == (
        "error: worse is not promoted: it is worse on average: 0.8000 against 0.9000 in use. "
        "To overrule that: streamer models promote worse --force --why '…'\n"
    )
    code, _, told = models("promote", "worse", "--force", "--why", "a test of the gate")
    assert code == 0
    assert told == "overruled: it is worse on average: 0.8000 against 0.9000 in use\n"
    assert "overruled: it is worse on average" in models("history")[1]


def test_verify_tells_good_from_bad_and_what_is_missing(models: Type, store: Path) -> None:
    code, printed, _ = models("verify", "old", "new")
    assert (code, printed) == (0, "✓ old\n✓ new\n")
    (store / "old").rename(store / "elsewhere")
    (store / ".new-half-1").mkdir()
    code, printed, _ = models("verify")
    assert code == 8
    assert "✗ there is no bundle old in" in printed
    assert "✗ bundle bad is damaged" in printed
    assert "half-written" in printed


def test_add_takes_in_a_bundle_made_elsewhere(models: Type, tmp_path: Path, store: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder = write_bundle(elsewhere, "newer", 4, **measured(0.95))
    assert models("add", str(folder))[1] == "added newer\n"
    assert models("promote", "newer")[0] == 0
    assert twin(store, "newest")
    assert models("verify", "newer", "newest")[0] == 0
