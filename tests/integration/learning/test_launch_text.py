"""An encoder that was fine-tuned on launches is kept only where it ranks launches better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streamer.cli import app
from streamer.encoding.weights import read
from streamer.learning import teacher
from streamer.state.layout import DAY
from tests.support.bert import WORDS, small_bert

START, LAUNCHES, DAYS = 1_735_689_600.0, 500, 60.0
STUDY = """
log = {behaviour = "behaviour.jsonl", catalogue = "items.jsonl"}
launches = {first = 2, test_from = 30, ages_days = [0, 1]}
success = {quantile = 0.5, horizon_days = 10, cohort_days = 15}
"""


def shop(folder: Path, *, telling: bool) -> Path:
    """The study of a shop where what has one word of two in its title sells, or where chance alone
    sells."""
    rng = np.random.default_rng(0)
    items, events = [], []
    for number in range(LAUNCHES):
        time = START + DAY * (DAYS - 11) * number / LAUNCHES
        word = ("love", "hate")[int(rng.integers(2))]
        others = rng.choice(WORDS[5:], 24).tolist()
        title = " ".join(rng.permutation([word, *others]).tolist())
        items.append({"item_id": f"i{number}", "time": time, "title": title})
        mean = (6.0 if word == "love" else 0.5) if telling else 2.0
        for user in range(rng.poisson(mean)):
            bought = {"item_id": f"i{number}", "type": "purchase", "user_id": f"u{number}-{user}"}
            events.append({**bought, "time": time + DAY * (2 + 7 * rng.random())})
    events.sort(key=lambda event: event["time"])
    for name, rows in (("items", items), ("behaviour", events)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


@pytest.mark.parametrize("telling", [True, False])
def test_it_is_kept_where_words_tell_of_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, telling: bool
) -> None:
    before = small_bert(tmp_path / "bert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMER_ENCODER", str(tmp_path / "bert"))
    monkeypatch.setenv("STREAMER_ENCODER_BACKEND", "fp32")
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STREAMER_MODEL_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(teacher, "ROUNDS", 5)
    asked = ["--on", "launches", "--method", "full", "--epochs", "12", "--rate", "0.005"]
    more = ["--study", str(shop(tmp_path, telling=telling)), "--patience", "12"]
    done = CliRunner().invoke(app, ["finetune", *asked, *more, "--report", "report.json"])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parameters"]["study"] == str(tmp_path / "study.toml")
    results = {row["name"]: row for row in report["results"]}
    assert bool(results["launches.kept"]["value"]) is telling
    assert ("not kept" in done.output) is not telling
    folders = list((tmp_path / "runs" / "finetune").glob("encoder-*"))
    assert len(folders) == telling
    for folder in folders:
        first = results["launches.auc.age_first_sight"]
        assert first["value"] > first["peer_value"]
        named = f"STREAMER_ENCODER={folder.relative_to(tmp_path)} streamer train"
        assert named in done.output
        after = read("tuned", folder)
        assert after.fingerprint != before.fingerprint
        assert (after.pooling, after.max_tokens) == (before.pooling, before.max_tokens)


def test_launches_whose_description_changed_or_cannot_be_read_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of them at a look is not known to be their first description."""
    small_bert(tmp_path / "bert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMER_ENCODER", str(tmp_path / "bert"))
    monkeypatch.setenv("STREAMER_ENCODER_BACKEND", "fp32")
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(teacher, "ROUNDS", 5)
    study = shop(tmp_path, telling=True)
    rows = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    for number, row in list(enumerate(rows))[100::50]:
        row["event_id"], first = f"first-{number}", row["title"]
        row["title"] = first if number % 100 else "\u200b"
        rows.append({**row, "event_id": f"then-{number}", "time": row["time"] + 9, "title": first})
    rows.sort(key=lambda row: row["time"])
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ["--on", "launches", "--method", "full", "--epochs", "1", "--study", str(study)]
    done = CliRunner().invoke(app, ["finetune", *asked], catch_exceptions=False)
    assert "in the mean over ages" in done.output


def test_a_frozen_encoder_learns_nothing_from_launches() -> None:
    done = CliRunner().invoke(app, ["finetune", "--on", "launches"])
    assert done.exit_code != 0
    assert "take --method lora" in str(done.exception)


def test_a_study_is_about_launches(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    done = CliRunner().invoke(app, ["finetune", "--study", str(tmp_path / "study.toml")])
    assert "add --on launches" in str(done.exception)
