"""`streamer evaluate --task recommend` on a few weeks of the real log."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli import app
from streamer.learning import recommend, study_file
from streamer.learning.accepted import Accepted
from streamer.learning.recommend_peers import PEERS
from streamer.learning.study import Study, journey
from streamer.replay.sources.complete_journey import CompleteJourney
from streamer.settings import Settings


@pytest.fixture
def weeks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Seventeen days, without promotions, one moment to learn from and one to rank at."""

    def some(settings: Settings) -> Study:
        source = Accepted(CompleteJourney(90, 106, promoted=False), settings)
        return replace(journey(settings), source=source)

    monkeypatch.setattr(study_file, "journey", some)
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path))
    monkeypatch.setenv("STREAMER_ENCODER_BACKEND", "fp32")
    monkeypatch.setattr(recommend, "LEARNT_DAYS", (94.5,))
    monkeypatch.setattr(recommend, "TESTED_DAYS", (99.5,))
    monkeypatch.setattr(recommend, "MEMBERS", 1)


@pytest.mark.usefixtures("weeks")
def test_new_items_are_recommended_and_compared(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    arguments = ["evaluate", "--task", "recommend", "--resamples", "50", "--report", str(report)]
    told = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    rows = json.loads(report.read_text())["results"]
    for name in ("recommend.recall_at_20", "recommend.ndcg_at_10", "recommend.gini"):
        found = {row.get("peer"): row for row in rows if row["name"] == name}
        assert set(found) == {None, *PEERS}
        assert all(0 <= row["value"] <= 1 for row in found.values())
        assert all(0 <= found[peer]["peer_value"] <= 1 for peer in PEERS)
        assert all(peer in told.output for peer in PEERS)
    values = {row["name"]: row["value"] for row in rows}
    assert values["recommend.lists"] > 50
    own, least, greatest = (
        values[f"recommend.recall_at_20{bound}"] for bound in ("", ".least", ".greatest")
    )
    assert least < own < greatest
