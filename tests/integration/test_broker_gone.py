"""A worker whose broker has died ends when it is told to, and says so in a line."""

from __future__ import annotations

import signal
from pathlib import Path

from streamer.embedded import broker
from tests.support.processes import own_group, running, wait_until


def test_a_worker_without_a_broker_ends_without_a_trace(redis_url: str, tmp_path: Path) -> None:
    kafka, address = broker(tmp_path)
    with kafka:
        settings = own_group(address, redis_url)
        with running(settings, tmp_path, "worker") as (worker,):
            kafka.kill()
            said = worker.child.log
            wait_until(lambda: "NodeNotReadyError" in said.read_text(), "the loss noticed")
            worker.child.send(signal.SIGTERM)
            wait_until(lambda: not worker.child.alive, "the worker ended")
            assert worker.child.exit_code == 0
            assert "Traceback" not in said.read_text()
