"""`streamer` with one agent left out: python -m tests.e2e.unplugged AGENT COMMAND…"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from streamer.cli import main


def register_nothing(app: object, room: object) -> None:
    """In the place of an agent's ``register``."""


if __name__ == "__main__":
    agent: Any = import_module(f"streamer.agents.{sys.argv.pop(1)}")
    agent.register = register_nothing
    main()
