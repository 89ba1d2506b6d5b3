"""The broker and the Redis of a pipeline benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.embedded import Child, broker, free_port, valkey

KAFKA_READY_SECONDS = 60.0


@contextmanager
def servers(folder: Path, kafka: Path | None) -> Iterator[tuple[str, str]]:
    """Broker address and Redis URL while the block runs. The broker is ``kafka``, started as
    PROGRAM DIR PORT, or else the embedded one; Redis keeps an append-only file."""
    child, address = _kafka(kafka, folder) if kafka else broker(folder)
    with child:
        redis, url = valkey(folder / "redis", append_only=True)
        with redis:
            yield address, url


def _kafka(program: Path, folder: Path) -> tuple[Child, str]:
    port = free_port()
    child = Child("kafka", [str(program), str(folder / "kafka"), str(port)], folder / "kafka.log")
    child.start()
    child.wait_for_port(port, KAFKA_READY_SECONDS)
    return child, f"127.0.0.1:{port}"
