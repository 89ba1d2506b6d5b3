"""One run of the story, with or without a crash on the way."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.embedded import Child
from streamer.settings import Settings
from tests.faults.story import Inputs, answer_texts, tell
from tests.support.processes import HARD_LIMIT_SECONDS, environment
from tests.support.settling import behind, settle
from tests.support.snapshot import Snapshot, snapshot
from tests.support.told import told

LOOK_SECONDS = 0.4


@dataclass(frozen=True)
class Crash:
    """Dies as it passes ``point`` for the ``time``-th time."""

    point: str
    time: int
    on_kafka: bool = False

    @property
    def failpoint(self) -> str:
        """As a process is told of it."""
        return f"{self.point}:{self.time}"

    def __str__(self) -> str:
        return f"{self.failpoint} on Kafka" if self.on_kafka else self.failpoint


class Run:
    """A worker, replaced when it dies."""

    def __init__(self, settings: Settings, folder: Path, crash: Crash | None) -> None:
        self.settings, self.folder = settings, folder
        self.died = False
        self._worker = self._start(crash.failpoint if crash else "")

    def _start(self, failpoint: str) -> Child:
        given = {**environment(self.settings), "STREAMER_FAILPOINT": failpoint}
        command = [sys.executable, "-m", "streamer", "worker"]
        worker = Child("worker", command, self.folder / "worker.log", env=given)
        worker.start()
        return worker

    async def until_done(self) -> None:
        """Until all that was told is committed; a worker that has died is replaced."""
        deadline = time.monotonic() + HARD_LIMIT_SECONDS
        while True:
            code = self._worker.exit_code
            if code == -signal.SIGKILL and not self.died:
                self.died = True
                self._worker = self._start("")
            else:
                assert code is None, f"ended with {code}: {self._worker.log_tail()}"
            left = await behind(self.settings)
            if not left and self._worker.alive:
                return
            assert time.monotonic() < deadline, f"not done: {left}; {self._worker.log_tail()}"
            await asyncio.sleep(LOOK_SECONDS)

    async def stop(self) -> None:
        await asyncio.to_thread(self._worker.stop)


async def play(
    settings: Settings, folder: Path, inputs: Inputs, crash: Crash | None = None
) -> tuple[bool, Snapshot, dict[str, Any]]:
    """Whether the worker died, the state, and what was told, after everything has settled."""
    await tell(settings, inputs)
    run = Run(settings, folder, crash)
    try:
        await run.until_done()
        await answer_texts(settings)
        await run.until_done()
    finally:
        await run.stop()
    await settle(settings)
    return run.died, await snapshot(settings), await told(settings)
