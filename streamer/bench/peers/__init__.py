"""Peers of the benchmarks, each a program of its own that runs until it is stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

QUIX_STREAMS = "quixstreams==3.28.1"
FOLDER = Path(__file__).parent


def quix_streams_python(folder: Path) -> str | None:
    """A Python with quix-streams from PyPI in it, in an environment of its own; None if pip can't
    make one."""
    made = folder / "quix-streams"
    python = made / "bin" / "python"
    steps = (
        [sys.executable, "-m", "venv", str(made)],
        [str(python), "-m", "pip", "install", "--quiet", QUIX_STREAMS, "msgpack", "redis"],
    )
    return str(python) if all(map(_works, steps)) else None


def has_pathway(python: Path) -> bool:
    """Whether this Python has what the Pathway peer imports."""
    return _works([str(python), "-c", "import pathway, msgpack"])


def has_infinity(python: Path) -> bool:
    """Whether this Python has what the infinity peer imports."""
    return _works([str(python), "-c", "import infinity_emb, torch, transformers"])


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False
