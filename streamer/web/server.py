"""The merchandiser's pages and the read API."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
from contextlib import suppress
from importlib.resources import files
from typing import Any

import msgspec
import structlog
from aiohttp import web
from redis.exceptions import RedisError

from streamer.draw import draw
from streamer.errors import ConfigurationError, RedisUnavailable
from streamer.interrupt import cancelled
from streamer.models import follow, judge_in_use
from streamer.settings import Settings
from streamer.state.boards import Decision
from streamer.status import add_status_routes
from streamer.window import Window, open_window

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
"""How often a page that is being watched is compared with the board."""
_WINDOW = web.AppKey("window", Window)
_AWAY = (RedisError, RedisUnavailable, OSError)
_STATIC = files("streamer.web") / "static"
_PAGES = {"/": "board.html", "/item/{item_id}": "item.html"}


async def run_web(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM. Raises RedisUnavailable, BundleError, ConfigurationError."""
    ending = asyncio.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, ending.set)
    judge = judge_in_use(settings.model_store)
    async with open_window(settings, judge) as window:
        runner = web.AppRunner(application(window), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.web_host, settings.web_port).start()
        except OSError as error:
            raise ConfigurationError(
                f"port {settings.web_port} can't be used ({error.strerror}); set STREAMER_WEB_PORT"
            ) from None
        log.info("page", address=f"http://{settings.web_host}:{settings.web_port}/")
        following = asyncio.create_task(follow(settings.model_store, judge, window.use).run())
        following.add_done_callback(lambda _: ending.set())
        await ending.wait()
        await runner.cleanup()
        if following.done():
            following.result()
        await cancelled(following)


def application(window: Window) -> web.Application:
    """The pages and the API over a window."""
    app = web.Application(middlewares=[_errors])
    app[_WINDOW] = window
    for path, name in _PAGES.items():
        app.router.add_get(path, _page(name))
    app.router.add_get("/static/{name}", _static)
    app.router.add_get("/api/boards", _boards)
    app.router.add_get("/api/board", _board)
    app.router.add_get("/api/board/events", _board_events)
    app.router.add_get("/api/board/draw", _draw)
    app.router.add_get("/api/item", _item)
    add_status_routes(app, lambda: _reads(window))
    return app


async def _reads(window: Window) -> bool:
    """Whether the state can be read: `_errors` answers for a Redis that is away."""
    await window.boards.names()
    return True


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except _AWAY as error:
        log.warning("Redis does not answer", error=str(error))
        return web.json_response({"error": "the state store does not answer"}, status=503)


def _page(name: str) -> Any:
    body = (_STATIC / name).read_text()

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/html")

    return page


async def _static(request: web.Request) -> web.Response:
    found = {entry.name: entry for entry in _STATIC.iterdir()}.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    kind = kinds.get(found.name.rsplit(".", 1)[-1], "application/octet-stream")
    return web.Response(body=found.read_bytes(), content_type=kind)


async def _boards(request: web.Request) -> web.Response:
    boards = request.app[_WINDOW].boards
    names = await boards.names()
    sizes = await asyncio.gather(*(boards.size(name) for name in names))
    found = sorted(zip(sizes, names, strict=True), key=lambda pair: (-pair[0], pair[1]))
    return web.json_response([{"board": name, "items": size} for size, name in found])


async def _board(request: web.Request) -> web.Response:
    decision = await request.app[_WINDOW].board(_wanted(request, "name"))
    return web.json_response(_told(decision))


async def _board_events(request: web.Request) -> web.StreamResponse:
    """Server-sent events: the whole board whenever it was decided anew, as long as somebody listens
    and Redis answers. A browser comes again where it ends."""
    board, window = _wanted(request, "name"), request.app[_WINDOW]
    stream = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await stream.prepare(request)
    seen = -1
    with suppress(*_AWAY):
        while request.transport and not request.transport.is_closing():
            decision = await window.board(board)
            sequence = decision.sequence if decision else 0
            if sequence != seen:
                seen = sequence
                await stream.write(f"data: {json.dumps(_told(decision))}\n\n".encode())
            await asyncio.sleep(POLL_SECONDS)
    return stream


async def _draw(request: web.Request) -> web.Response:
    """A list to show, another one each time."""
    board, places = _wanted(request, "name"), _whole(request.query.get("places", "10"))
    try:
        found = await draw(request.app[_WINDOW], board, places)
    except ConfigurationError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    return web.json_response(msgspec.to_builtins(found), headers={"Cache-Control": "no-store"})


async def _item(request: web.Request) -> web.Response:
    item_id, window = _wanted(request, "id"), request.app[_WINDOW]
    item = await window.item(item_id)
    if item is None:
        return web.json_response({"error": f"nothing is known of item {item_id}"}, status=404)
    reasons = [dataclasses.asdict(reason) for reason in await window.explain(item_id) or ()]
    return web.json_response({**item, "explanation": reasons})


def _wanted(request: web.Request, name: str) -> str:
    try:
        return request.query[name]
    except KeyError:
        raise web.HTTPBadRequest(text=f"missing query parameter: {name}") from None


def _whole(number: str) -> int:
    try:
        return int(number)
    except ValueError:
        raise web.HTTPBadRequest(text=f"places: {number[:60]!r} is no number") from None


def _told(decision: Decision | None) -> dict[str, Any]:
    if decision is None:
        return {"sequence": 0, "time": None, "lines": []}
    lines = [
        {name: getattr(line, name) for name in line.__struct_fields__} for line in decision.lines
    ]
    return {
        "sequence": decision.sequence,
        "time": decision.time,
        "lines": msgspec.to_builtins(lines),
    }
