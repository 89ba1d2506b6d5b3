"""streamer sentiment"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from streamer.cli.options import AsJson
from streamer.errors import BadEvent, ConfigurationError
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.encoding.explain import Explained

SHOWN_WORDS = 8


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Example: streamer sentiment 'Soft, but it runs small.' '质量很好，物流太慢'"
    )(sentiment)


def sentiment(
    texts: Annotated[
        list[str] | None, typer.Argument(help="Reviews; one a line of standard input if none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell how content reviews sound, and which words say so."""
    from streamer.encoding.encoder import Encoder
    from streamer.encoding.explain import explain

    settings = load()
    model = Encoder.open(settings).review
    if model.head is None:
        raise ConfigurationError(
            f"no sentiment bundle for encoder {settings.encoder} in {settings.model_store}; "
            "make one with: streamer finetune"
        )
    console = Console()
    for text in texts or _lines(sys.stdin):
        try:
            found = explain(model, text)
        except BadEvent as bad:
            typer.echo(f"{bad}", err=True)
            continue
        if as_json:
            typer.echo(json.dumps({"text": text, **asdict(found)}, ensure_ascii=False))
        else:
            console.print(_told(text, found), highlight=False, soft_wrap=True)


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return (line.strip() for line in lines if line.strip())


def told_words(found: Explained) -> str:
    """The weightiest words, coloured by which way they speak."""
    return ", ".join(
        f"[{'green' if keyword.weight > 0 else 'red'}]{escape(keyword.word)} {keyword.weight:+.2f}[/]"
        for keyword in found.keywords[:SHOWN_WORDS]
    )


def _told(text: str, found: Explained) -> str:
    return f"P(positive) {found.probability:.3f}  {escape(text)}\n  {told_words(found)}"
