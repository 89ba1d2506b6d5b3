"""What the command line must not import before it knows what is to run."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("heavy", ["numpy", "torch", "faust", "redis", "pandas"])
def test_the_command_line_starts_without(heavy: str) -> None:
    """A worker prepares its process before numpy is imported (lean.py), and starts without torch."""
    code = f"import streamer.cli, sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
