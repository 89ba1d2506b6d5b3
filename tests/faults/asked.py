"""What a run of the fault tests was asked for; `make faults ARGS=--help` lists it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamer.errors import ConfigurationError
from streamer.report import writable

EVENTS_PER_ROUND = 75_000
"""Flow through in a round at most, so that faults are spread over all of the events."""


@dataclass
class Asked:
    """So many real events flow through each scenario of chaos, so many faults happen meanwhile."""

    report: Path | None = None
    events: int = 30_000
    least_rounds: int = 3
    seed: int = 0

    @property
    def rounds(self) -> int:
        return max(self.least_rounds, -(-self.events // EVENTS_PER_ROUND))

    def as_dict(self) -> dict[str, object]:
        kafka = bool(os.environ.get("STREAMER_TEST_KAFKA"))
        return {"events": self.events, "rounds": self.rounds, "seed": self.seed, "kafka": kafka}


asked = Asked()


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults", "crashes, kills and restarts (make faults)")
    group.addoption(
        "--report", type=Path, metavar="FILE", help="write what was measured to this JSON file"
    )
    group.addoption(
        "--chaos-events",
        type=int,
        default=asked.events,
        metavar="N",
        help="real events in each scenario of chaos (default: %(default)s)",
    )
    group.addoption(
        "--chaos-rounds",
        type=int,
        default=asked.least_rounds,
        metavar="N",
        help="faults in each (default: %(default)s, or one for every "
        f"{EVENTS_PER_ROUND:,} events where that is more)",
    )
    group.addoption(
        "--chaos-seed",
        type=int,
        default=asked.seed,
        metavar="N",
        help="other moments, other victims",
    )


def take(config: pytest.Config) -> None:
    try:
        asked.report = writable(config.getoption("--report"))
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from None
    asked.events = config.getoption("--chaos-events")
    asked.least_rounds = config.getoption("--chaos-rounds")
    asked.seed = config.getoption("--chaos-seed")
