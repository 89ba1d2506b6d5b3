"""The command line. Commands parse, call and print; what they do is elsewhere."""

from __future__ import annotations

import errno
import sys
import traceback
from typing import Annotated

import typer

from streamer import __version__
from streamer.cli import active as active
from streamer.cli import bench as bench
from streamer.cli import demo as demo
from streamer.cli import evaluate as evaluate
from streamer.cli import finetune as finetune
from streamer.cli import inspect as inspect
from streamer.cli import learn as learn
from streamer.cli import models as models
from streamer.cli import offpolicy as offpolicy
from streamer.cli import operate as operate
from streamer.cli import reencode as reencode
from streamer.cli import run as run
from streamer.cli import sentiment as sentiment
from streamer.errors import ConfigurationError, StreamerError
from streamer.printable import printable

INTERRUPTED = 130
UNWRITABLE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}
)
"""What a file or a full disk refuses with."""

app = typer.Typer(
    name="streamer",
    help="Decides, live, which new items a shop should launch, show and push.",
    epilog="Try it: streamer demo. Exit codes: docs/reference.md. --debug shows traces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, help="Tell the version.")
    ] = False,
) -> None:
    """Decides, live, which new items a shop should launch, show and push."""


for room in (
    *(demo, run, inspect, learn, finetune, active, evaluate, models, sentiment, reencode),
    *(offpolicy, operate, bench),
):
    room.register(app)


def main() -> None:
    """Runs the command line; an error of ours is one line on stderr and its exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    sys.exit(_run(debug))


def _run(debug: bool) -> int:
    try:
        return int(app(standalone_mode=False) or 0)
    except StreamerError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    except typer.TyperException as error:
        error.show()  # type: ignore[attr-defined]
        return error.exit_code
    except OSError as error:
        if debug or error.errno not in UNWRITABLE:
            raise
        print(f"error: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return ConfigurationError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
