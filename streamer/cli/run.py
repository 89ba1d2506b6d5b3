"""streamer run | worker | encoder | web"""

from __future__ import annotations

import asyncio
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.options import Broker, Group, Redis
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.state.birth import IfEmpty

Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Redis is empty: count again from what Kafka retains.")
]
FromNow = Annotated[
    bool, typer.Option("--from-now", help="Redis is empty: count from the committed offsets on.")
]


def register(app: typer.Typer) -> None:
    app.command()(worker)
    app.command()(encoder)
    app.command()(web)
    app.command(epilog="Example: streamer run --broker kafka:9092 --redis redis://redis:6379/0")(
        run
    )


def worker(
    broker: Broker = None,
    redis: Redis = None,
    group: Group = None,
    rebuild: Rebuild = False,
    from_now: FromNow = False,
) -> None:
    """Run one scoring worker: catalogue, behaviour and encodings in, scores and boards out."""
    from streamer.app import run_worker

    settings = _start(broker, redis, group)
    if_empty: IfEmpty = "rebuild" if rebuild else "from-now" if from_now else "stop"
    _run_async(run_worker(settings, if_empty))


def encoder(broker: Broker = None, group: Group = None) -> None:
    """Run one inference worker: texts in, embeddings and sentiment out."""
    from streamer.app import run_encoder

    _run_async(run_encoder(_start(broker, None, group)))


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
    rebuild: Rebuild = False,
    from_now: FromNow = False,
) -> None:
    """Run workers, encoders and the web page under one supervisor, on your Kafka and Redis."""
    from streamer.supervisor import Supervisor
    from streamer.whole import start_all

    settings = _start(broker, redis, group)
    ending = threading.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda *_: ending.set())
    extra = ["--rebuild"] if rebuild else ["--from-now"] if from_now else []
    with Supervisor(log_dir) as supervisor:
        start_all(supervisor, settings, workers, encoders, extra)
        typer.echo(f"http://{settings.web_host}:{settings.web_port}/  logs in {log_dir}/")
        while not ending.wait(0.5):
            supervisor.watch()


def _start(broker: str | None, redis: str | None, group: str | None, **more: object) -> Settings:
    from streamer.logs import configure

    settings = load(broker=broker, redis=redis, group=group, **more)
    configure(settings)
    return settings


def _run_async(main: object) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)  # type: ignore[arg-type]
