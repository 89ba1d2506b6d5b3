"""The whole system as processes: which there are and how each is started."""

from __future__ import annotations

from streamer.settings import Settings
from streamer.supervisor import Process, Supervisor


def start_all(
    supervisor: Supervisor,
    settings: Settings,
    workers: int,
    encoders: int,
    worker_arguments: list[str],
) -> list[Process]:
    """Starts web, encoders and workers on the settings' broker and Redis."""
    environment = {
        "STREAMER_BROKER": settings.broker,
        "STREAMER_REDIS": settings.redis,
        "STREAMER_GROUP": settings.group,
        "STREAMER_MODEL_STORE": str(settings.model_store.resolve()),
        "STREAMER_WEB_PORT": str(settings.web_port),
    }
    started = [supervisor.start("web", ["web"], environment)]
    for number in range(1, encoders + 1):
        started.append(supervisor.start(f"encoder-{number}", ["encoder"], environment))
    for number in range(1, workers + 1):
        command = ["worker", *worker_arguments]
        started.append(supervisor.start(f"worker-{number}", command, environment))
    return started
