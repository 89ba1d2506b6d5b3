"""Promote, roll back, verify while the demo runs: it still ends with every number right."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest

from streamer.embedded import free_port
from streamer.registry import active_name, bundles, pointer
from streamer.registry.pointer import Change
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES
from tests.support.bundles import shipped_store, twin
from tests.support.logs import read
from tests.support.processes import call, until, wait_until

pytestmark = pytest.mark.slow

DAYS = "20"


@contextmanager
def demo(store: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Settings]]:
    """A demo that ends after its last event, on a store of its own; where it runs."""
    log = folder / "demo.log"
    options = ["--scenario", "grocery", "--days", DAYS, "--speed", "max", "--exit"]
    command = [sys.executable, "-m", "streamer", "demo", *options, "--port", str(free_port())]
    with log.open("wb") as file:
        running = subprocess.Popen(
            [*command, "--report", str(folder / "demo.json")],
            cwd=folder,
            env={**os.environ, "STREAMER_MODEL_STORE": str(store)},
            stdout=file,
            stderr=file,
        )
    try:
        wait_until(lambda: bool(_servers(log)), "the demo tells its servers")
        broker, redis = _servers(log)[0]
        yield running, Settings(broker=broker, redis=redis, model_store=store)
    finally:
        if running.poll() is None:
            running.terminate()
        running.wait(60)


def _servers(log: Path) -> list[tuple[str, str]]:
    return re.findall(r"export STREAMER_BROKER=(\S+) STREAMER_REDIS=(\S+)", log.read_text())


def test_the_model_changes_twice_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    store = shipped_store(tmp_path)
    first = active_name(store)
    second = twin(store, "launch-second", bias=1.0)

    async def scores(settings: Settings) -> list[dict[str, Any]]:
        return [msgpack.unpackb(r.value) for r in await read(settings, ITEM_SCORES.name) if r.value]

    async def scored_by(settings: Settings, name: str, more_than: int) -> None:
        async def so() -> bool:
            return Counter(s["model"] for s in await scores(settings))[name] > more_than

        await until(so, f"more than {more_than} scores by {name}")

    with demo(store, tmp_path) as (running, settings):

        def models(*arguments: str) -> subprocess.CompletedProcess[str]:
            return call(settings, tmp_path, "models", *arguments)

        asyncio.run(scored_by(settings, first, 100))
        assert models("promote", second, "--why", "a test").returncode == 0
        asyncio.run(scored_by(settings, second, 100))
        before = Counter(s["model"] for s in asyncio.run(scores(settings)))[first]
        assert models("rollback").returncode == 0
        asyncio.run(scored_by(settings, first, before + 100))
        assert models("verify").returncode == 0

        card = store / second / bundles.CARD
        card.write_text(card.read_text().replace("twin", "twim"))
        refused = models("promote", second)
        assert refused.returncode == 7
        assert "README.md does not match its hash" in refused.stderr
        with pointer.locked(store):
            pointer.append(store, Change(to=second, before=first))
        assert models("verify").returncode == 8
        found = asyncio.run(scores(settings))
        assert running.wait(900) == 0, (tmp_path / "demo.log").read_text()[-2000:]

    assert {score["model"] for score in found} == {first, second}
    versions: defaultdict[str, list[int]] = defaultdict(list)
    for score in found:
        versions[score["item_id"]].append(score["version"])
    assert all(seen == sorted(seen) for seen in versions.values())
