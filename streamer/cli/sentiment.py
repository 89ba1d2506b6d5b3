"""streamer sentiment"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from streamer.cli.options import AsJson
from streamer.errors import BadEvent, CheckFailed, ConfigurationError
from streamer.settings import load

if TYPE_CHECKING:
    from streamer.encoding.explain import Explained, Keyword

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
    """Tell how content reviews sound, and which words say so.

    With --json an object a text, in their order; one that can't be judged has an error.
    """
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
    judged = wrong = 0
    for text in texts or _lines(sys.stdin.buffer):
        try:
            found = explain(model, text)
        except BadEvent as bad:
            wrong += 1
            _tell(text, bad, as_json=as_json)
            continue
        judged += 1
        if as_json:
            typer.echo(json.dumps(asdict(found), ensure_ascii=False))
        else:
            console.print(f"P(positive) {found.probability:.3f}", end="  ", highlight=False)
            show(found, console)
    if wrong:
        raise CheckFailed(f"{wrong} of {judged + wrong} texts can't be judged; see above")


def _tell(text: str, bad: BadEvent, *, as_json: bool) -> None:
    if as_json:
        told = {"text": text, "code": bad.code, "error": str(bad)}
        typer.echo(json.dumps(told, ensure_ascii=False).encode(errors="replace"))
    else:
        typer.echo(str(bad), err=True)


def _lines(lines: Iterable[bytes]) -> Iterator[str]:
    """Those that are not blank; what is no UTF-8 becomes U+FFFD."""
    texts = (line.decode(errors="replace").strip() for line in lines)
    return (text for text in texts if text)


def show(found: Explained, console: Console) -> None:
    """The text with its weightiest words marked, coloured by which way they speak, and what each of
    them weighs. Where there are no colours, +words+ speak for the goods and -words- against them."""
    weighty = [keyword for keyword in found.keywords[:SHOWN_WORDS] if keyword.weight]
    colours = console.color_system is not None and not console.no_color
    console.print(_marked(found.text, weighty, colours=colours), soft_wrap=True)
    if not weighty:
        return
    words = Text(", ").join(
        Text(f"{keyword.word} {keyword.weight:+.2f}", _style(keyword)) for keyword in weighty
    )
    console.print("  ", words, sep="", soft_wrap=True)


def _marked(text: str, keywords: Sequence[Keyword], *, colours: bool) -> Text:
    places = sorted(
        ((place, keyword) for keyword in keywords for place in keyword.places),
        key=lambda each: each[0],
    )
    marked, at = Text(), 0
    for (start, end), keyword in places:
        sign = "" if colours else "+" if keyword.weight > 0 else "-"
        marked.append(text[at:start])
        marked.append(f"{sign}{text[start:end]}{sign}", f"bold {_style(keyword)}")
        at = end
    return marked.append(text[at:])


def _style(keyword: Keyword) -> str:
    return "green" if keyword.weight > 0 else "red"
