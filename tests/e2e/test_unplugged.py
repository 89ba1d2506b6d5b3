"""The checks of the whole notice when any one agent does not run.

One system, in turns: while an agent is left out, garments and reviews are sent that no turn before
has sent, and what is checked at the end of every turn complains of that agent's part. At last all
agents run, take up what was left lying, and nothing is wrong with any of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from streamer.embedded import Child, free_port
from streamer.replay.player import Player
from streamer.settings import Settings
from tests.e2e.outcome import complaints, settled
from tests.e2e.raw import garments
from tests.e2e.test_slice import clothing
from tests.support.processes import REPOSITORY, environment, own_group, ready, running, wait_until
from tests.unit.replay.records import Listed

MISSED = {
    "texts": {"encodings"},
    "catalogue": {"facts", "encodings", "boards"},
    "behaviour": {"totals"},
    "encodings": {"encodings"},
    "ranks": {"boards"},
}
"""What goes wrong, at least, without an agent."""
GARMENTS = 4


@contextmanager
def without(agent: str, settings: Settings, folder: Path) -> Iterator[None]:
    """The worker or encoder that holds an agent, without it."""
    role = "encoder" if agent == "texts" else "worker"
    command = [sys.executable, "-m", "tests.e2e.unplugged", agent, role]
    port = free_port()
    there = {
        **environment(settings),
        "PYTHONPATH": str(REPOSITORY),
        "STREAMER_METRICS_PORT": str(port),
    }
    with Child(role, command, folder / f"without-{agent}.log", env=there) as child:
        if role == "worker":
            wait_until(lambda: ready(port) or not child.alive, f"{role} without {agent} ready")
            assert child.alive, child.log_tail()
        yield


def turn(settings: Settings, some: pd.DataFrame) -> set[str]:
    """Sends some garments with their reviews; the kinds of complaints once all is quiet."""

    async def send_and_look() -> set[str]:
        await Player(Listed(clothing(set(some.index))), settings).play()
        await settled(settings)
        return set(await complaints(settings, some))

    return asyncio.run(send_and_look())


@pytest.fixture(scope="module")
def parts() -> list[pd.DataFrame]:
    """Different garments for every turn, each with reviews and ratings without a text."""
    clothes = garments(5, 12)
    clothes = clothes[(clothes["rating"] > 0) & (clothes["review"] > 0)]
    return [clothes.iloc[n * GARMENTS :][:GARMENTS] for n in range(len(MISSED))]


@pytest.mark.slow
def test_each_agent_is_missed_and_nothing_is_lost_while_it_is_away(
    broker_address: str, redis_url: str, tmp_path: Path, parts: list[pd.DataFrame]
) -> None:
    settings = own_group(broker_address, redis_url, board_size=2000, session_timeout_seconds=6.0)
    turns = dict(zip(MISSED, parts, strict=True))
    found: dict[str, set[str]] = {}
    with (
        without("texts", settings, tmp_path),
        running(settings, tmp_path / "texts", "worker"),
    ):
        found["texts"] = turn(settings, turns.pop("texts"))
    with running(settings, tmp_path, "encoder"):
        for agent, part in turns.items():
            with without(agent, settings, tmp_path):
                found[agent] = turn(settings, part)
        for agent, kinds in MISSED.items():
            assert kinds <= found[agent], agent
        with running(settings, tmp_path / "whole", "worker"):
            asyncio.run(settled(settings))
            assert asyncio.run(complaints(settings, pd.concat(parts))) == {}
