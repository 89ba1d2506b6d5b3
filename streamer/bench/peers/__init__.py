"""Peers of the pipeline benchmark, each a program of its own that runs until it is stopped."""

from __future__ import annotations

import subprocess
import sys
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
        [str(python), "-m", "pip", "install", "--quiet", QUIX_STREAMS, "msgpack"],
    )
    for step in steps:
        if subprocess.run(step, capture_output=True).returncode:
            return None
    return str(python)
