"""A child process that never outlives its parent and keeps its output in a log file."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from streamer.errors import StreamerError

STOP_SECONDS = 8.0
_PR_SET_PDEATHSIG = 1
_LOG_TAIL_LINES = 15
_PORTS = range(20_000, 32_000)
"""Not those that the system gives to clients, who could take one before its server does."""


class ChildFailed(StreamerError):
    """A child process ended, or was not ready in time."""


def free_port(wanted: int = 0) -> int:
    """A loopback TCP port that nobody listens on at this moment: the wanted one if that is free."""
    port = wanted or _any_port()
    while not _is_free(port):
        port = _any_port()
    return port


def _any_port() -> int:
    return _PORTS.start + secrets.randbelow(len(_PORTS))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _die_with(parent: int, final: signal.Signals) -> None:
    """Runs in the child before exec: the kernel ends it when the parent is gone (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, final)
        if os.getppid() != parent:
            os._exit(1)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds a Ctrl-C back until the end of the block. One that comes while Python forks would be
    raised inside the hooks that modules run around a fork, where it is printed and forgotten."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda which, _: caught.append(which))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if caught:
            signal.raise_signal(signal.SIGINT)


class Child:
    """One supervised process.

    ``last_signal`` is what the kernel sends it if this process dies without stopping it:
    SIGKILL for servers that keep nothing, SIGTERM where there is something to put in order.
    A group of its own keeps a Ctrl-C at the terminal from reaching it before its parent
    decides the order in which to stop.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        last_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._env = {**os.environ, **(env or {})}
        self._last_signal = last_signal
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it was started; negative for the signal that ended it."""
        return self._process.poll() if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        parent, final = os.getpid(), self._last_signal
        with self.log.open("ab") as out, _uninterrupted():
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent, final),
            )

    def wait_for_port(self, port: int, timeout_seconds: float = 20.0) -> None:
        """Blocks until something listens on the loopback port. Raises ChildFailed."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if not self.alive:
                raise self.ended()
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise ChildFailed(f"{self.name} is not ready after {timeout_seconds:.0f} s; see {self.log}")

    def send(self, which: signal.Signals) -> None:
        self._running().send_signal(which)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self._running().wait()

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """Asks it to end, and ends it if it does not. Does nothing if it is not running."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def ended(self) -> ChildFailed:
        """What to raise where it has ended and should not have: its exit code and last words."""
        return ChildFailed(f"{self.name} ended with {self.exit_code}: {self.log_tail()}")

    def log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return " | ".join(lines)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ChildFailed(f"{self.name} was not started")
        return self._process

    def __enter__(self) -> Child:
        if self._process is None:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
