"""Several processes under one: started in order, restarted when they break, stopped together."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from urllib.error import URLError
from urllib.request import urlopen

import structlog

from streamer.embedded.child import STOP_SECONDS, Child, free_port
from streamer.errors import BundleError, ConfigurationError, StateError, StreamerError

log = structlog.get_logger(__name__)

FINAL_EXIT_CODES = frozenset(e.exit_code for e in (ConfigurationError, StateError, BundleError))
"""Exit codes of errors that starting again would not mend."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
STEADY_SECONDS = 60.0
"""After running this long a process starts again without a longer pause."""


class ProcessFailed(StreamerError):
    """A process ended with an error that starting it again would not mend."""

    def __init__(self, name: str, code: int, message: str) -> None:
        super().__init__(f"{name} ended with {code}: {message}")
        self.exit_code = code  # type: ignore[misc]


@dataclass(slots=True)
class Process:
    """One of our own processes: a role of the command line with its environment."""

    name: str
    arguments: list[str]
    environment: Mapping[str, str]
    folder: Path
    port: int
    restarts: int = 0
    _child: Child | None = None
    _started_at: float = 0.0
    _pause: float = FIRST_PAUSE_SECONDS
    _due_at: float = 0.0

    def start(self) -> None:
        self._child = Child(
            self.name,
            [sys.executable, "-m", "streamer", *self.arguments],
            self.folder / f"{self.name}.log",
            env={**self.environment, "STREAMER_METRICS_PORT": str(self.port)},
            last_signal=SIGTERM,
        )
        self._child.start()
        self._started_at = time.monotonic()

    @property
    def child(self) -> Child:
        if self._child is None:
            raise StreamerError(f"{self.name} was not started")
        return self._child

    def ready(self) -> bool:
        """Whether the process says so on its /readyz."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def watch(self) -> None:
        """Starts the process again if it has ended. Raises ProcessFailed if that is no use."""
        code = self.child.exit_code
        now = time.monotonic()
        if code is None:
            return
        if code in FINAL_EXIT_CODES:
            raise ProcessFailed(self.name, code, _last_error(self.child))
        if not self._due_at:
            if now - self._started_at > STEADY_SECONDS:
                self._pause = FIRST_PAUSE_SECONDS
            self._due_at = now + self._pause
            log.warning("process ended; starting it again", name=self.name, code=code)
        elif now >= self._due_at:
            self._due_at = 0.0
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            self.restarts += 1
            self.start()


def _last_error(child: Child) -> str:
    lines = [line for line in child.log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["no output"])[-1].removeprefix("error: ")


class Supervisor:
    """Holds processes; stops them all at the end of the block, whatever happens in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[Process] = []

    def start(
        self,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str],
        port: int | None = None,
    ) -> Process:
        """Starts a process. ``port`` is where its status is, if the process does not take it
        from STREAMER_METRICS_PORT."""
        process = Process(name, arguments, environment, self.folder, port or free_port())
        self.processes.append(process)
        process.start()
        return process

    def watch(self) -> None:
        """Starts again what has ended. Raises ProcessFailed."""
        for process in self.processes:
            process.watch()

    def wait_until_ready(
        self, timeout_seconds: float, waiting: Callable[[list[str]], None] = lambda _: None
    ) -> None:
        """Blocks until every process is ready; ``waiting`` is told which are not.

        Raises ProcessFailed, StreamerError.
        """
        deadline = time.monotonic() + timeout_seconds
        while missing := [p.name for p in self.processes if not p.ready()]:
            self.watch()
            waiting(missing)
            if time.monotonic() > deadline:
                raise StreamerError(
                    f"{', '.join(missing)} not ready after {timeout_seconds:.0f} s; "
                    f"see the logs in {self.folder}"
                )
            time.sleep(0.1)

    def stop(self) -> None:
        """Asks all processes to end at once, and ends those that have not after a while."""
        running = [p.child for p in self.processes if p._child and p.child.alive]
        for child in running:
            child.send(SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.alive for child in running) and time.monotonic() < deadline:
            time.sleep(0.02)
        for child in running:
            if child.alive:
                child.kill()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
