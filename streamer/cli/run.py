"""streamer run | worker | encoder | web"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.cli.options import Broker, Group, Redis
from streamer.errors import ConfigurationError
from streamer.interrupt import leave_after
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.state.birth import IfEmpty

Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Redis is empty: count again from what Kafka retains.")
]
FromNow = Annotated[
    bool, typer.Option("--from-now", help="Redis is empty: count from the committed offsets on.")
]


Shadow = Annotated[
    str | None,
    typer.Option(
        help="Bundle that scores beside the one in use, unseen: models compare --live.",
        metavar="BUNDLE",
        show_default="STREAMER_SHADOW",
    ),
]

CLOSE_SECONDS = 1.5
"""How long what is left of a process that is done may take to end: tasks of Faust have been seen
to outlive their cancellation where the broker is gone."""


def register(app: typer.Typer) -> None:
    servers = "--broker kafka:9092 --redis redis://redis:6379/0"
    app.command(epilog=f"Example: streamer worker {servers}")(worker)
    app.command(epilog="Example: streamer encoder --broker kafka:9092")(encoder)
    app.command(epilog=f"Example: streamer web {servers} --port 6066")(web)
    app.command(epilog=f"Example: streamer run {servers}")(run)


def worker(
    broker: Broker = None,
    redis: Redis = None,
    group: Group = None,
    shadow: Shadow = None,
    rebuild: Rebuild = False,
    from_now: FromNow = False,
) -> None:
    """Run one scoring worker: catalogue, behaviour and encodings in, scores and boards out."""
    from streamer import lean

    lean.prepare()
    from streamer.app import run_worker

    settings = _start(broker, redis, group, shadow=shadow)
    _run_async(run_worker(settings, _if_empty(rebuild, from_now)))


def encoder(broker: Broker = None, redis: Redis = None, group: Group = None) -> None:
    """Run one inference worker: texts in, embeddings and sentiment out. Redis is only a cache."""
    from streamer.app import run_encoder

    _run_async(run_encoder(_start(broker, redis, group)))


def web(
    broker: Broker = None,
    redis: Redis = None,
    group: Group = None,
    port: Annotated[int | None, typer.Option(help="Port of the page.")] = None,
) -> None:
    """Serve the launch boards and the read API."""
    from streamer.web.server import run_web

    _run_async(run_web(_start(broker, redis, group, web_port=port)))


def run(
    broker: Broker = None,
    redis: Redis = None,
    group: Group = None,
    workers: Annotated[int, typer.Option(min=1, help="Scoring workers.")] = 1,
    encoders: Annotated[int, typer.Option(min=0, help="Inference workers.")] = 1,
    log_dir: Annotated[Path, typer.Option(help="Where each process keeps its log.")] = Path("runs"),
    shadow: Shadow = None,
    rebuild: Rebuild = False,
    from_now: FromNow = False,
) -> None:
    """Run workers, encoders and the web page under one supervisor, on your Kafka and Redis."""
    from streamer.supervisor import Supervisor
    from streamer.whole import start_all

    settings = _start(broker, redis, group, shadow=shadow)
    ending = threading.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda *_: ending.set())
    if_empty = _if_empty(rebuild, from_now)
    extra = [] if if_empty == "stop" else [f"--{if_empty}"]
    with Supervisor(log_dir) as supervisor:
        start_all(supervisor, settings, workers, encoders, extra)
        typer.echo(f"http://{settings.web_host}:{settings.web_port}/  logs in {log_dir}/")
        while not ending.wait(0.5):
            supervisor.watch()


def _if_empty(rebuild: bool, from_now: bool) -> IfEmpty:
    if rebuild and from_now:
        raise ConfigurationError("--rebuild and --from-now exclude each other: give one")
    return "rebuild" if rebuild else "from-now" if from_now else "stop"


def _start(broker: str | None, redis: str | None, group: str | None, **more: object) -> Settings:
    from streamer.logs import configure

    settings = load(broker=broker, redis=redis, group=group, **more)
    configure(settings)
    return settings


def _run_async(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    failure: Exception | None = None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(main)
        except Exception as error:
            failure = error
            raise
        finally:
            leaving = leave_after(CLOSE_SECONDS, lambda: failure)
    leaving.cancel()
