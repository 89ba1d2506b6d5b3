"""A benchmark's program that is loaded once and then told when to run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from streamer.errors import StreamerError

STOP_SECONDS = 10.0


class TurnTaker:
    """Speaks with one such program over its standard input and output; see `peers.turns`."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.about: dict[str, Any] = {}
        self._command, self._environment = command, {**os.environ, **environment}
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> TurnTaker:
        return self

    def alive(self, say: Callable[[str], None]) -> bool:
        """Starts it; False where it can't be loaded, and says so."""
        try:
            self._start()
        except StreamerError as error:
            say(f"{self.name}: left out, {error}")
            return False
        return True

    def turn(self, told: str) -> dict[str, Any]:
        """Lets it run once. Raises StreamerError if it ends instead."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(f"{told}\n")
            process.stdin.flush()
        except OSError:
            raise self._failed() from None
        return self._answer()

    def _start(self) -> None:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.about = self._answer()

    def _answer(self) -> dict[str, Any]:
        """The next line that is an answer: libraries print what they like."""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise self._failed()

    def _failed(self) -> StreamerError:
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line]
        return StreamerError((lines or ["it ended without a word"])[-1][:200])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
