"""The whole system as processes: which there are and how each is started."""

from __future__ import annotations

from streamer.settings import Settings
from streamer.supervisor import Process, Supervisor

BESIDE_WORKERS_NICENESS = 5
"""Of an encoder that shares a machine with workers: it would take every core, and what they do is
what shoppers and merchandisers wait for."""


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
        "STREAMER_SHADOW": settings.shadow,
        "STREAMER_ENCODER_NICENESS": str(settings.encoder_niceness or BESIDE_WORKERS_NICENESS),
        "STREAMER_WEB_PORT": str(settings.web_port),
        "STREAMER_ITEM_RETENTION_DAYS": str(settings.item_retention_days),
    }
    web = supervisor.start("web", ["web"], environment, settings.web_port)
    commands = [
        *((f"encoder-{number}", ["encoder"]) for number in range(1, encoders + 1)),
        *((f"worker-{n}", ["worker", *worker_arguments]) for n in range(1, workers + 1)),
    ]
    return [web, *(supervisor.start(name, command, environment) for name, command in commands)]
