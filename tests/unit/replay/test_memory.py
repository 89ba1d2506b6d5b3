"""Sources are streams: what lies in memory is columns and a few blocks, never all events."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from streamer.replay.sources.files import FileSource
from streamer.replay.sources.mapping import FieldMapping

READ_THE_YEAR = """
import re
from pathlib import Path
from streamer.replay.sources.complete_journey import CompleteJourney

def peak_kilobytes():
    return re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]

source = CompleteJourney()
loaded = peak_kilobytes()
assert sum(len(record.key) > 0 for record in source) == source.total > 2_400_000
print(loaded, peak_kilobytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_whole_year_is_read_in_little_memory() -> None:
    command = [sys.executable, "-c", READ_THE_YEAR]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    loaded_mb, peak_mb = (int(kilobytes) / 1024 for kilobytes in said.split())
    assert peak_mb < 800
    assert peak_mb - loaded_mb < 50


def test_a_file_in_time_order_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "views.jsonl"
    with path.open("w") as file:
        for second in range(1, 20_001):
            row = {"item_id": f"item-{second}", "type": "view", "time": second, "text": "x" * 100}
            file.write(json.dumps(row) + "\n")
    tracemalloc.start()
    try:
        source = FileSource(path, FieldMapping())
        assert sum(1 for _ in source) == source.total == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 5
