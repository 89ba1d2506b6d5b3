"""Reports have one shape, and a ratio only against a peer that ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer import __version__
from streamer.errors import ConfigurationError
from streamer.report import Results, writable, write


def test_a_report_says_what_ran_where_and_what_came_of_it(tmp_path: Path) -> None:
    results = Results("bench state", {"events": 1000})
    results.add("state.events_per_second", 300.0, "1/s", peer="naive", peer_value=100.0)
    results.add("state.bytes_per_item", 512, "bytes")
    results.add("state.lost", 0, "events", peer="naive", peer_value=0.0)
    write(results, tmp_path / "deep" / "report.json")
    report = json.loads((tmp_path / "deep" / "report.json").read_text())
    assert list(report) == ["command", "version", "parameters", "machine", "seconds", "results"]
    assert (report["command"], report["version"]) == ("bench state", __version__)
    assert report["parameters"] == {"events": 1000}
    assert report["machine"]["cores"] >= 1
    assert report["seconds"] >= 0
    assert report["results"] == [
        {
            "name": "state.events_per_second",
            "value": 300.0,
            "unit": "1/s",
            "peer": "naive",
            "peer_value": 100.0,
            "ratio": 3.0,
        },
        {"name": "state.bytes_per_item", "value": 512, "unit": "bytes"},
        {
            "name": "state.lost",
            "value": 0,
            "unit": "events",
            "peer": "naive",
            "peer_value": 0.0,
            "ratio": None,
        },
    ]


def test_nothing_is_written_where_no_report_is_wanted(tmp_path: Path) -> None:
    write(Results("demo", {}), None)
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_report_can_be_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="its folder"):
        writable(tmp_path / "file" / "report.json")
    assert writable(tmp_path / "new" / "report.json") == tmp_path / "new" / "report.json"
    assert not (tmp_path / "new" / "report.json").exists()


def test_what_has_no_value_is_null_since_json_has_no_nan(tmp_path: Path) -> None:
    results = Results("evaluate", {"bars": [0.5, float("inf")]})
    results.add("evaluate.auc", float("nan"), "1")
    write(results, tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["results"][0]["value"] is None
    assert report["parameters"]["bars"] == [0.5, None]
