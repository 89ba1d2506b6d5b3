"""Reports: what a command measured, as JSON of one shape."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer import __version__
from streamer.errors import ConfigurationError


@dataclass(slots=True)
class Results:
    """Results of one command; the clock starts when it is made."""

    command: str
    parameters: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        peer: str | None = None,
        peer_value: float | None = None,
    ) -> None:
        """One result; against a peer that did the same work in the same run, also the ratio."""
        row: dict[str, Any] = {"name": name, "value": value, "unit": unit}
        if peer is not None and peer_value is not None:
            row |= {"peer": peer, "peer_value": peer_value}
            row["ratio"] = value / peer_value if peer_value else None
        self.rows.append(row)

    def as_dict(self) -> dict[str, Any]:
        return {
            "command": self.command,
            "version": __version__,
            "parameters": self.parameters,
            "machine": _machine(),
            "seconds": round(time.monotonic() - self._started, 3),
            "results": self.rows,
        }


def writable(path: Path | None) -> Path | None:
    """The path, when a file can be written there; its folder is made. Asked before the work, not
    after it. Raises ConfigurationError."""
    if path is None:
        return None
    return _open_to_us(path, path.parent)


def writable_folder(path: Path | None) -> Path | None:
    """The same of a folder that files are to be written into."""
    if path is None:
        return None
    return _open_to_us(path, path)


def _open_to_us(path: Path, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"nothing can be written to {path}: its folder can't be made ({error.strerror})"
        ) from None
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigurationError(f"nothing can be written to {path}: it is not yours to write")
    return path


def write(results: Results, path: Path | None) -> None:
    """Writes the report where one is wanted. Raises ConfigurationError."""
    if writable(path) and path:
        told = json.dumps(_finite(results.as_dict()), indent=2, allow_nan=False)
        path.write_text(told + "\n")


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not have (RFC 8259, section 6)."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
