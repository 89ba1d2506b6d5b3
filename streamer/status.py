"""A process's own /healthz, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable

import structlog
from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streamer.errors import ConfigurationError
from streamer.settings import Settings

log = structlog.get_logger(__name__)

Ready = Callable[[], bool | Awaitable[bool]]


@asynccontextmanager
async def serve_status(settings: Settings, ready: Ready) -> AsyncIterator[str]:
    """Serves the three paths while the block runs; gives the address.

    /healthz answers 200 while the process runs its event loop, /readyz 200 once ``ready()`` and
    503 before. Raises ConfigurationError.
    """
    application = web.Application()
    add_status_routes(application, ready)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, settings.metrics_host, settings.metrics_port)
        host, port = runner.addresses[0][:2]
        log.info("status", address=f"http://{host}:{port}")
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} can't be used for health and metrics ({error.strerror}); set "
            "STREAMER_METRICS_HOST and STREAMER_METRICS_PORT"
        ) from None


def add_status_routes(application: web.Application, ready: Ready) -> None:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        answer = ready()
        if await answer if isawaitable(answer) else answer:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "starting"}, status=503)

    async def metrics(_: web.Request) -> web.Response:
        body = generate_latest(REGISTRY)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
