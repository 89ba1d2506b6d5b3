"""What the fault tests measured, as JSON where STREAMER_FAULTS_REPORT names a file."""

from __future__ import annotations

import os
from pathlib import Path

from streamer.report import Results, write

_FILE = os.environ.get("STREAMER_FAULTS_REPORT")
_results = Results("faults", {})


def add(name: str, value: float, unit: str) -> None:
    """Adds to the report, and to what stands there under that name."""
    row = next((row for row in _results.rows if row["name"] == name), None)
    if row:
        row["value"] += value
    else:
        _results.add(name, value, unit)
    write(_results, Path(_FILE) if _FILE else None)
