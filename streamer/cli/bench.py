"""streamer bench state | pipeline | soak | encoder | swap | swap-encoder"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.options import Report
from streamer.settings import load

Repetitions = Annotated[
    int, typer.Option(min=1, help="Times each is measured, in turn; the median counts.")
]

Kafka = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Starts a Kafka as PROGRAM DIR PORT; the embedded broker unless told.",
    ),
]


def register(app: typer.Typer) -> None:
    bench = typer.Typer(help="Measure a claim against its peers, in one run.", no_args_is_help=True)
    bench.command(epilog="Example: streamer bench state --report state.json")(state)
    bench.command(epilog="Example: streamer bench pipeline --kafka PROGRAM --report pipeline.json")(
        pipeline
    )
    bench.command(epilog="Example: streamer bench soak --kafka PROGRAM --report soak.json")(soak)
    bench.command(epilog="Example: streamer bench swap --report swap.json")(swap)
    bench.command(
        name="swap-encoder", epilog="Example: streamer bench swap-encoder --report swap.json"
    )(swap_encoder)
    bench.command(epilog="Example: streamer bench encoder --infinity PYTHON --report encoder.json")(
        encoder
    )
    app.add_typer(bench, name="bench")


def state(
    events: Annotated[int, typer.Option(min=1, help="Real events that ours applies.")] = 400_000,
    naive_events: Annotated[
        int, typer.Option(min=1, help="How many of them the peers apply.")
    ] = 10_000,
    repetitions: Repetitions = 3,
    items: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            help="Sizes of a store at which ours is measured as well; may be given more than once, "
            "0 leaves it out.  [default: 10000, 2000000]",
        ),
    ] = None,
    report: Report = None,
) -> None:
    """Events a second into Redis, against Redis written event by event; and in stores of any size."""
    from streamer.bench.state import Plan, run
    from streamer.report import write

    sizes = tuple(size for size in items or (10_000, 2_000_000) if size)
    write(run(load(), Plan(events, naive_events, repetitions, sizes), typer.echo), report)


def pipeline(
    events: Annotated[int, typer.Option(min=1000, help="Real events in the topic.")] = 400_000,
    repetitions: Repetitions = 3,
    seconds: Annotated[
        float, typer.Option(min=1, help="A peer that is not done by then is measured so far.")
    ] = 15.0,
    paced_seconds: Annotated[
        float, typer.Option(min=0, help="Ours at each steady rate for so long; 0 leaves it out.")
    ] = 10.0,
    kafka: Kafka = None,
    kafka_streams: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Starts the Kafka Streams peer as PROGRAM BROKER INPUT OUTPUT EVENTS GUARANTEE STORE DIR.",
        ),
    ] = None,
    pathway: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The Python of an environment with pathway and msgpack from PyPI.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Ours and only these peers; may be given more than once."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Draws latency against load into this PNG."),
    ] = None,
    report: Report = None,
) -> None:
    """Events a second from topic to scores, against other ways to do it."""
    from streamer.bench.pipeline import Plan, run
    from streamer.report import write

    plan = Plan(
        events=events,
        repetitions=repetitions,
        seconds=seconds,
        paced_seconds=paced_seconds,
        kafka=kafka and kafka.resolve(),
        kafka_streams=kafka_streams and kafka_streams.resolve(),
        pathway=pathway and pathway.absolute(),
        plot=plot,
        only=frozenset(only or []),
    )
    write(run(load(), plan, typer.echo), report)


def soak(
    events: Annotated[
        int, typer.Option(min=100_000, help="Real events, lap after lap, that one worker takes.")
    ] = 20_000_000,
    kafka: Kafka = None,
    report: Report = None,
) -> None:
    """A worker's memory over millions of events, and its first score after kill -9."""
    from rich.console import Console
    from rich.progress import Progress

    from streamer.bench.soak import Plan, run
    from streamer.report import write

    plan = Plan(events, kafka and kafka.resolve())
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("events", total=events)
        results = run(load(), plan, typer.echo, lambda done: bar.update(task, completed=done))
    write(results, report)


def swap(
    rate: Annotated[float, typer.Option(min=1, help="Events a second meanwhile.")] = 500.0,
    swaps: Annotated[int, typer.Option(min=1, help="Changes of the model.")] = 4,
    pause_seconds: Annotated[
        float, typer.Option(min=0.0, help="Between a change and the next.")
    ] = 3.0,
    report: Report = None,
) -> None:
    """Seconds from a promotion to the first score by it, and whether anybody is kept waiting."""
    from streamer.bench.swap import Plan, run
    from streamer.report import write

    write(run(load(), Plan(rate, swaps, pause_seconds), typer.echo), report)


def swap_encoder(
    rate: Annotated[
        float, typer.Option(min=1, help="Garments and reviews a second meanwhile.")
    ] = 40.0,
    swaps: Annotated[int, typer.Option(min=1, help="Changes of the sentiment.")] = 4,
    pause_seconds: Annotated[
        float, typer.Option(min=0.0, help="Between a change and the next.")
    ] = 5.0,
    report: Report = None,
) -> None:
    """Whether a change of what reads reviews loses or mixes texts or keeps them waiting."""
    from streamer.bench.swap import Plan
    from streamer.bench.swap_encoder import run
    from streamer.report import write

    write(run(load(), Plan(rate, swaps, pause_seconds), typer.echo), report)


def encoder(
    texts: Annotated[
        int, typer.Option(min=30, help="Real texts, in equal shares of kinds.")
    ] = 1500,
    repetitions: Repetitions = 3,
    infinity: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The Python of an environment with infinity-emb[torch] and transformers<5.",
        ),
    ] = None,
    kafka: Kafka = None,
    new_items: Annotated[
        int, typer.Option(min=0, help="Timed from topic to score; 0 leaves the topics out.")
    ] = 100,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Ours, fp32 and only these peers; may be given more than once."),
    ] = None,
    report: Report = None,
) -> None:
    """Texts a second into vectors, against other ways to encode with the same weights."""
    from streamer.bench.encoder import Plan, run
    from streamer.report import write

    plan = Plan(
        texts=texts,
        repetitions=repetitions,
        infinity=infinity and infinity.absolute(),
        kafka=kafka and kafka.resolve(),
        new_items=new_items,
        only=frozenset(only or []),
    )
    write(run(load(), plan, typer.echo), report)
