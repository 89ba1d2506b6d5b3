"""A Redis that loses its last writes, as a restart from an append-only file without its end does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from streamer.embedded import free_port, valkey
from streamer.embedded.child import Child


class Forgetful:
    """A Valkey server with an append-only file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._kept = 0
        self._child, self.url = self._start()

    def _start(self) -> tuple[Child, str]:
        child, url = valkey(self._folder, self._port, append_only=True)
        with redis.Redis(port=self._port) as client:
            while client.info("persistence")["loading"]:
                pass
            client.config_set("appendfsync", "always")
            client.config_set("auto-aof-rewrite-percentage", 0)
        return child, url

    def mark(self) -> None:
        """What is written from now on can be lost."""
        self._kept = self._file().stat().st_size

    def lose(self) -> None:
        """Dies, and comes back without what was written since the mark."""
        self._child.kill()
        file = self._file()
        assert file.stat().st_size > self._kept, "nothing was written that could be lost"
        with file.open("r+b") as log:
            log.truncate(self._kept)
        self._child, _ = self._start()

    def empty(self) -> None:
        """Everything is gone at once."""
        with redis.Redis(port=self._port) as client:
            client.flushall()

    def stop(self) -> None:
        self._child.stop()

    def _file(self) -> Path:
        (file,) = (self._folder / "appendonlydir").glob("*.incr.aof")
        return file


@contextmanager
def forgetful(folder: Path) -> Iterator[Forgetful]:
    server = Forgetful(folder)
    try:
        yield server
    finally:
        server.stop()
