"""Processes of one group that are killed, stopped, held up and replaced while events come in."""

from __future__ import annotations

import asyncio
import math
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from streamer.embedded import Child
from streamer.settings import Settings
from streamer.supervisor import FINAL_EXIT_CODES
from streamer.topology import Topic
from tests.support.processes import environment
from tests.support.settling import READ, behind

LOOK_SECONDS = 0.5
SETTLE_SECONDS = 90.0
"""What is still to be done has become less within this time."""


class Fleet:
    """Keeps ``size`` workers, or what else ``command`` says, running: whoever has ended is
    replaced, as a supervisor does it. They read the topics ``reads``. The first to be started die at
    ``failpoints``, one each.

    One that ends because no restart would help is a failure.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        size: int,
        seed: int,
        command: str = "worker",
        reads: Sequence[Topic] = READ,
        failpoints: Sequence[str] = (),
    ) -> None:
        self.settings, self.folder, self.size = settings, folder, size
        self._command, self._reads = command, reads
        self._failpoints = list(failpoints)
        self.rng = random.Random(seed)
        self.ends: list[int] = []
        self._started = 0
        self.workers = [self._start() for _ in range(size)]

    def _start(self) -> Child:
        self._started += 1
        log = self.folder / f"{self._command}-{self._started}.log"
        command = [sys.executable, "-m", "streamer", *self._command.split()]
        failpoint = self._failpoints.pop(0) if self._failpoints else ""
        given = {**environment(self.settings), "STREAMER_FAILPOINT": failpoint}
        worker = Child(self._command, command, log, env=given)
        worker.start()
        return worker

    def any(self) -> Child:
        return self.rng.choice(self.workers)

    def mend(self) -> None:
        for worker in list(self.workers):
            code = worker.exit_code
            if code is not None:
                assert code not in FINAL_EXIT_CODES, worker.log_tail()
                self.ends.append(code)
                self.workers.remove(worker)
        while len(self.workers) < self.size:
            self.workers.append(self._start())

    async def live(self, seconds: float) -> None:
        """Lets the workers run, replaced when they end."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.mend()
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, until - time.monotonic())))

    async def until_done(self) -> None:
        """Until everything that was written is committed."""
        least, deadline = math.inf, 0.0
        while left := await behind(self.settings, self._reads):
            if sum(left.values()) < least:
                least, deadline = sum(left.values()), time.monotonic() + SETTLE_SECONDS
            tails = [worker.log_tail() for worker in self.workers]
            assert time.monotonic() < deadline, f"not done: {left}; {tails}"
            await self.live(LOOK_SECONDS)

    async def stop(self) -> None:
        for worker in self.workers:
            if worker.alive:
                worker.send(signal.SIGCONT)
                worker.send(signal.SIGTERM)
        for worker in self.workers:
            await asyncio.to_thread(worker.stop)


Fault = Callable[[Fleet], Awaitable[None]]


async def kill_one(fleet: Fleet) -> None:
    fleet.any().kill()


async def come_and_go(fleet: Fleet) -> None:
    """One worker more for a while, then one of them ends in peace."""
    fleet.size += 1
    await fleet.live(fleet.rng.uniform(2, 9))
    fleet.size -= 1
    leaving = fleet.workers.pop(fleet.rng.randrange(len(fleet.workers)))
    await asyncio.to_thread(leaving.stop)


async def hold_up(fleet: Fleet) -> None:
    """One worker stands still until its partitions are the others', and then goes on."""
    worker = fleet.any()
    worker.send(signal.SIGSTOP)
    await fleet.live(fleet.settings.session_timeout_seconds + fleet.rng.uniform(3, 6))
    worker.send(signal.SIGCONT)
