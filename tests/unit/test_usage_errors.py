from __future__ import annotations

import sys

import pytest

from streamer.cli import main


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "No such command"),
        (["worker", "--nonsense"], "No such option"),
        (["item"], "Missing argument"),
        (["run", "--workers", "none"], "Invalid value"),
        (["demo", "--speed", "inf"], "--speed is a number above 0 or max, not 'inf'"),
        (["demo", "--report", "/dev/null/report.json"], "no report can be written to"),
        (["worker", "--rebuild", "--from-now"], "exclude each other"),
    ],
)
def test_a_mistyped_command_is_told_and_ends_with_2(
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["streamer", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
