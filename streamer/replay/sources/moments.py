"""Times as they are found in files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Literal

Unit = Literal["s", "ms", "us", "ns"]
_PER_SECOND: dict[Unit, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_LAST = datetime.max.replace(tzinfo=UTC).timestamp()
"""Of a calendar, in seconds since the epoch: what is later is milliseconds taken for seconds."""


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How a file writes times.

    Numbers count ``unit`` since 1970. Text has ``format`` (as of strptime), or is a number or
    ISO 8601. A time that does not say its zone is in ``zone``.
    """

    unit: Unit = "s"
    format: str | None = None
    zone: tzinfo = UTC

    def seconds(self, value: Any) -> float | None:
        """Seconds since the epoch; None where the value is no time, or one that no event can have."""
        try:
            found = self._read(value)
        except (ValueError, OverflowError, OSError):
            return None
        return found if found is not None and 0 < found < _LAST else None

    def _read(self, value: Any) -> float | None:
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float | Decimal):
            return float(value) / _PER_SECOND[self.unit]
        if isinstance(value, str):
            return self._read_text(value.strip())
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=self.zone)).timestamp()
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=self.zone).timestamp()
        return None

    def _read_text(self, text: str) -> float | None:
        if self.format:
            return self._read(datetime.strptime(text, self.format))
        try:
            return self._read(float(text))
        except ValueError:
            return self._read(datetime.fromisoformat(text))
