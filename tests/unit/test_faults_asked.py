"""What a run of the fault tests is asked for, and what it reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults import results
from tests.faults.asked import Asked


def test_more_events_bring_more_faults() -> None:
    assert Asked().rounds == 3
    assert Asked(events=1_000_000).rounds == 14
    assert Asked(events=1_000_000, least_rounds=50).rounds == 50


def test_the_report_adds_up_and_says_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(report=tmp_path / "faults.json", events=500, seed=7)
    monkeypatch.setattr(results, "asked", asked)
    monkeypatch.setattr(results, "_results", results.Results("faults", {}))
    results.add("faults.events", 500, "events")
    results.add("faults.differences", 0, "differences")
    results.add("faults.events", 500, "events")
    report = json.loads((tmp_path / "faults.json").read_text())
    assert {row["name"]: row["value"] for row in report["results"]} == {
        "faults.events": 1000,
        "faults.differences": 0,
    }
    assert report["parameters"]["events"] == 500
    assert report["parameters"]["seed"] == 7
