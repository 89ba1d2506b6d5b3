"""docs/reference.md: commands, settings, exit codes and metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from prometheus_client import REGISTRY, Metric
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from streamer import errors, metrics
from streamer.cli import app
from streamer.settings import Settings

_PREFIX = Settings.model_config["env_prefix"]


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Generated from the code by `make documents`."
    yield ""
    yield "## Commands"
    yield ""
    yield "`streamer COMMAND --help` says more. `--debug` shows the trace of an error."
    yield ""
    yield "| command | |"
    yield "|---|---|"
    yield from _commands(typer.main.get_command(app), "streamer")
    yield ""
    yield "## Settings"
    yield ""
    yield "Read from the environment and from `.env` in the working directory."
    yield ""
    yield "| variable | default | |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        yield f"| `{_PREFIX}{name.upper()}` | {_default(field)} | {field.description or ''} |"
    yield ""
    yield "## Exit codes"
    yield ""
    yield "0 is success, 130 an interruption by Ctrl-C. The others are errors:"
    yield ""
    yield "```"
    yield from _error_tree()
    yield "```"
    yield ""
    yield "## Metrics"
    yield ""
    yield "| metric | type | labels | |"
    yield "|---|---|---|---|"
    yield from _metrics()


def _commands(command: Any, name: str) -> Iterator[str]:
    children = getattr(command, "commands", {})
    if not children:
        yield f"| `{name}` | {_first_line(command.help)} |"
    for child, below in children.items():
        yield from _commands(below, f"{name} {child}")


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path):
        value = str(value)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _error_tree() -> Iterator[str]:
    """The drawing at the top of errors.py."""
    text = (errors.__doc__ or "").splitlines()
    drawn = [line for line in text if line.startswith("    ")]
    yield from (line.removeprefix("    ") for line in drawn)


def _metrics() -> Iterator[str]:
    for value in vars(metrics).values():
        if value is REGISTRY or not callable(getattr(value, "collect", None)):
            continue
        if isinstance(value, type):
            continue
        (family,) = value.collect()
        labels = ", ".join(f"`{label}`" for label in getattr(value, "_labelnames", ()))
        yield f"| `{_name(family)}` | {family.type} | {labels} | {family.documentation} |"


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name
