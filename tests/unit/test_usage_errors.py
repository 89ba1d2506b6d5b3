from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from streamer import cli
from streamer.cli import main
from streamer.errors import CheckFailed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "No such command"),
        (["worker", "--nonsense"], "No such option"),
        (["item"], "Missing argument"),
        (["run", "--workers", "none"], "Invalid value"),
        (["demo", "--speed", "inf"], "--speed is a number above 0 or max, not 'inf'"),
        (["demo", "--report", "/dev/null/report.json"], "nothing can be written to"),
        (["train", "--run", "/dev/null"], "nothing can be written to /dev/null"),
        (["finetune", "--run", "/dev/null/run"], "nothing can be written to /dev/null/run"),
        (["finetune", "--resume"], "leave out --resume"),
        (["finetune", "--method", "lora", "--resume", "--run", "r"], "r has no checkpoint.pt"),
        (["tune", "--output", "/dev/null/tuned.json"], "nothing can be written to"),
        (["tune", "--storage", "/dev/null/tune.sqlite"], "nothing can be written to"),
        (["evaluate", "--folder", "/dev/null/page"], "nothing can be written to"),
        (["evaluate", "--remembered", "5"], "add --task recommend"),
        (["evaluate", "--task", "recommend", "--folder", "page"], "draws no pictures"),
        (["offpolicy", "--bundle", "launch-1"], "go with a log"),
        (["offpolicy", "--reward", "purchase"], "go with a log"),
        (["offpolicy", "--topics", "--campaign", "men"], "--campaign is of the Open Bandit sample"),
        (
            ["replay", __file__, "--format", "amazon-2023", "--topic", "new-items"],
            "leave --mapping",
        ),
        (["train", "--seed", "-1"], "greater than or equal to 0"),
        (["tune", "--seed", str(2**32)], "less than or equal to 1000000000"),
        (["finetune", "--seed", "-1"], "greater than or equal to 0"),
        (["offpolicy", "--seed", "-1"], "greater than or equal to 0"),
        (["worker", "--rebuild", "--from-now"], "exclude each other"),
        (["item", "caf\udce9"], "ids and boards are UTF-8"),
        (["draw", "caf\udce9"], "ids and boards are UTF-8"),
    ],
)
def test_a_mistyped_command_is_told_and_ends_with_2(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["streamer", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_full_disk_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "looks.npz")

    monkeypatch.setattr(cli, "app", full)
    monkeypatch.setattr(sys, "argv", ["streamer", "train"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: looks.npz: No space left on device\n"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("there are: \x1b[2Jb\nc", "there are:  [2Jb c"),
        ("there are: Home, \x1b[2J\u202eKitchen", "there are: Home,  [2J Kitchen"),
    ],
)
def test_an_error_that_quotes_a_stranger_is_one_line_and_steers_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str, told: str
) -> None:
    def refused(**_: object) -> None:
        raise CheckFailed(f"no board 'a'; {said}")

    monkeypatch.setattr(cli, "app", refused)
    monkeypatch.setattr(sys, "argv", ["streamer", "rank", "a"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == CheckFailed.exit_code
    assert capsys.readouterr().err == f"error: no board 'a'; {told}\n"
