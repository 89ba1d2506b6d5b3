"""streamer item | rank | draw | explain | rescore"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from streamer import interrupt
from streamer.cli.options import AsJson, Broker, Group, Redis
from streamer.errors import CheckFailed, ConfigurationError
from streamer.printable import printable
from streamer.settings import load


def _utf8(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("ids and boards are UTF-8") from None
    return name


ItemId = Annotated[str, typer.Argument(metavar="ITEM", callback=_utf8)]
Board = Annotated[str, typer.Argument(help="Board: `all` or a category.", callback=_utf8)]
WATCH_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: streamer item 1095275 --json")(item)
    app.command(epilog="Example: streamer rank all --watch")(rank)
    app.command(epilog="Example: streamer draw Kitchen --places 6 --json")(draw)
    app.command(epilog="Example: streamer explain 1095275 --text")(explain)
    app.command(epilog="Example, after a new model: streamer rescore")(rescore)


def item(
    item_id: ItemId, as_json: AsJson = False, redis: Redis = None, group: Group = None
) -> None:
    """Show all that is kept and said of an item: exact totals, rates, sentiment, score, boards."""
    found = _look(redis, group, lambda window: window.item(item_id))
    if found is None:
        raise CheckFailed(f"nothing is known of item {item_id}")
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print_item(found)


def explain(
    item_id: ItemId,
    as_json: AsJson = False,
    text: Annotated[
        bool, typer.Option("--text", help="Mark the words of its description that matter instead.")
    ] = False,
    redis: Redis = None,
    group: Group = None,
) -> None:
    """Say why an item has its score: what each reason adds to the logit."""
    if text:
        _explain_text(item_id, as_json, redis, group)
        return
    reasons = _look(redis, group, lambda window: window.explain(item_id))
    if reasons is None:
        raise CheckFailed(f"nothing is known of item {item_id}")
    if as_json:
        told = [dataclasses.asdict(reason) for reason in reasons]
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    table = Table("reason", "value", "adds", box=None, header_style="bold")
    for reason in reasons:
        value = "" if reason.value is None else f"{reason.value:.3f}"
        table.add_row(reason.words, value, f"{reason.contribution:+.3f}")
    table.add_row("logit", "", f"{sum(r.contribution for r in reasons):+.3f}", style="bold")
    Console().print(table)


def _explain_text(item_id: str, as_json: bool, redis: str | None, group: str | None) -> None:
    from streamer.cli.sentiment import show
    from streamer.encoding.encoder import Encoder
    from streamer.encoding.explain import explain_description

    found = _look(redis, group, lambda window: window.described(item_id))
    if found is None:
        raise CheckFailed(f"the catalogue has no item {item_id}")
    settings = load()
    model = Encoder.open(settings).description
    if model.fingerprint != found.bundle.encoder:
        raise ConfigurationError(
            f"bundle {found.bundle.name} reads another encoder than {settings.encoder}; "
            "set STREAMER_ENCODER to the one it was trained with"
        )
    said = explain_description(model, found.text, found.logits)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(said), ensure_ascii=False))
    else:
        show(said, Console())


def rank(
    board: Board = "all",
    watch: Annotated[bool, typer.Option("--watch", help="Keep it up to date.")] = False,
    as_json: AsJson = False,
    redis: Redis = None,
    group: Group = None,
) -> None:
    """Show a launch board as it was last decided."""
    from streamer.board_table import board_table

    if watch:
        _watch(board, redis, group)
        return
    decision = _look(redis, group, lambda window: window.board(board))
    if decision is None:
        raise _no_board(repr(board), redis, group)
    if as_json:
        import msgspec

        lines = [
            dict(zip(line.__struct_fields__, msgspec.structs.astuple(line), strict=True))
            for line in decision.lines
        ]
        typer.echo(json.dumps({"sequence": decision.sequence, "lines": lines}, ensure_ascii=False))
    else:
        Console().print(board_table(board, decision))


def draw(
    board: Board = "all",
    places: Annotated[int, typer.Option(min=1, help="How long the list is.")] = 10,
    as_json: AsJson = False,
    redis: Redis = None,
    group: Group = None,
) -> None:
    """Draw a list to show, better items more often, with the propensities that its impressions log."""
    import msgspec

    from streamer.draw import draw as run

    found = _look(redis, group, lambda window: run(window, board, places))
    if not found.lines:
        raise _no_board(f"{board!r} with items", redis, group)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    table = Table("position", "item", "", "propensity", box=None, header_style="bold")
    for line in found.lines:
        cells = (str(line.position), line.item_id, line.title, f"{line.propensity:.3f}")
        table.add_row(*map(printable, cells))
    Console().print(table)


def _no_board(wanted: str, redis: str | None, group: str | None) -> CheckFailed:
    names = _look(redis, group, lambda window: window.boards.names())
    return CheckFailed(f"no board {wanted}; there are: {', '.join(names) or 'none yet'}")


def rescore(broker: Broker = None, redis: Redis = None, group: Group = None) -> None:
    """Score every item again as of the last event, publish and file it: a sweep at once."""
    from rich.progress import Progress

    from streamer.rescore import count_items, rescore_everything

    settings = load(broker=broker, redis=redis, group=group)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("items", total=asyncio.run(count_items(settings)))
        interrupt.run(
            rescore_everything(settings, lambda done: progress.update(task, completed=done))
        )


def _watch(board: str, redis: str | None, group: str | None) -> None:
    from streamer.board_table import board_table
    from streamer.window import open_window

    async def follow() -> None:
        async with open_window(load(redis=redis, group=group)) as window:
            with Live(auto_refresh=False) as live:
                while True:
                    live.update(board_table(board, await window.board(board)), refresh=True)
                    await asyncio.sleep(WATCH_SECONDS)

    interrupt.run(follow())


def _look(redis: str | None, group: str | None, ask: Any) -> Any:
    from streamer.window import open_window

    async def look() -> Any:
        async with open_window(load(redis=redis, group=group)) as window:
            return await ask(window)

    return asyncio.run(look())


def _print_item(found: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False)
    for name, value in found.items():
        if isinstance(value, dict):
            value = "  ".join(f"{k} {_short(v)}" for k, v in value.items())
        elif name.endswith("_time") and value:
            value = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(value))
        table.add_row(f"[bold]{name}[/]", printable(_short(value)))
    Console().print(table)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " › ".join(map(str, value))
    if isinstance(value, dict):
        return "  ".join(f"{k} {_short(v)}" for k, v in value.items())
    return str(value)
