"""What the fault tests measured, as JSON where --report names a file."""

from __future__ import annotations

from streamer.report import Results, write
from tests.faults.asked import asked

_results = Results("faults", {})


def add(name: str, value: float, unit: str) -> None:
    """Adds to the report, and to what stands there under that name."""
    _results.parameters = asked.as_dict()
    row = next((row for row in _results.rows if row["name"] == name), None)
    if row:
        row["value"] += value
    else:
        _results.add(name, value, unit)
    write(_results, asked.report)
