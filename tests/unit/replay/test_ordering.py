from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from streamer.replay.sources.ordering import SortedRecords
from tests.unit.replay.records import purchase


@given(st.lists(st.integers(0, 9).map(float), max_size=60), st.integers(1, 2000))
def test_sorting_with_runs_on_disk_is_a_stable_sort(times: list[float], run_bytes: int) -> None:
    records = [purchase(f"item-{place}", time) for place, time in enumerate(times)]
    found = list(SortedRecords(records, run_bytes))
    expected = sorted(records, key=lambda record: record.time)
    assert [(r.topic, r.key, r.time, r.kind) for r in found] == [
        (r.topic, r.key, r.time, r.kind) for r in expected
    ]
    assert [r.value for r in found] == [r.encoded() for r in expected]


def test_it_can_be_read_again() -> None:
    records = SortedRecords([purchase("a", 2.0), purchase("b", 1.0)], run_bytes=1)
    assert list(records) == list(records)


def test_its_files_go_with_it(tmp_path: Path) -> None:
    with patch("tempfile.tempdir", str(tmp_path)):
        records = SortedRecords([purchase("a", 2.0), purchase("b", 1.0)], run_bytes=1)
        (folder,) = tmp_path.iterdir()
        assert len(list(folder.iterdir())) == 2
        del records
        assert not folder.exists()
