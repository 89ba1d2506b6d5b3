from __future__ import annotations

from pathlib import Path

from streamer.learning.train import claimed


def test_two_trainings_of_one_second_have_a_name_each(tmp_path: Path) -> None:
    run = tmp_path / "run"
    names = [claimed(run), claimed(run)]
    assert names == sorted({*names})
    assert sorted(folder.name for folder in run.iterdir()) == names
