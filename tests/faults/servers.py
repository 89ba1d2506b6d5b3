"""Servers that are killed and come back with what they had: a Valkey on a file, a real Kafka."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from streamer.embedded import Child, free_port, valkey

KAFKA = os.environ.get("STREAMER_TEST_KAFKA", "")
NO_KAFKA = "STREAMER_TEST_KAFKA names no broker that keeps its log (started as PROGRAM DIR PORT)"
KAFKA_START_SECONDS = 60.0


class Redis:
    """A Valkey that writes every change to a file."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.child, self.url = valkey(folder, self._port, append_only=True)

    async def restart(self, away_seconds: float, lose_seconds: float) -> int:
        """Kill -9, and a start on the same file without its last ``lose_seconds``.

        Returns how many bytes are gone.
        """
        file = max(self._folder.glob("appendonlydir/*.incr.aof"))
        kept = file.stat().st_size
        await asyncio.sleep(lose_seconds)
        self.child.kill()
        lost = file.stat().st_size - kept if lose_seconds else 0
        os.truncate(file, file.stat().st_size - lost)
        await asyncio.sleep(away_seconds)
        self.child, _ = await asyncio.to_thread(valkey, self._folder, self._port, append_only=True)
        return lost


class Kafka:
    """The broker that STREAMER_TEST_KAFKA names."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        command = [KAFKA, str(folder / "log"), str(self._port)]
        environment = {"KAFKA_AUTO_CREATE": "false"}
        self.child = Child("kafka", command, folder / "kafka.log", env=environment)
        self.start()

    def start(self) -> None:
        """It ends with the thread that starts it."""
        self.child.start()
        self.wait()

    def wait(self) -> None:
        self.child.wait_for_port(self._port, KAFKA_START_SECONDS)
