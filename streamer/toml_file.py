"""TOML files of a fixed form, and where in them something is wrong."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from streamer.errors import ConfigurationError

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class TomlFile(Generic[T]):
    """What a file gives, and its text."""

    path: Path
    text: str
    given: T

    def wrong(self, name: str, message: str) -> ConfigurationError:
        """What is wrong with the value of this name."""
        return _wrong(self.path, _line_of(self.text, name), message)


def read(path: Path, form: type[T], choices: Callable[[str], str]) -> TomlFile[T]:
    """Reads a file; ``choices`` says what may stand where a name does, or in it.

    Raises ConfigurationError with the file and the line.
    """
    text = ""
    try:
        text = path.read_text("utf-8")
        given = msgspec.convert(
            tomllib.loads(text), form, builtin_types=(datetime.date, datetime.datetime)
        )
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: can't be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, *_place(str(error))) from None
    except msgspec.ValidationError as error:
        name = _named(str(error))
        raise _wrong(path, _line_of(text, name), f"{error}{choices(name)}") from None
    return TomlFile(path, text, given)


def _wrong(path: Path, line: int, message: str) -> ConfigurationError:
    return ConfigurationError(f"{path}:{line}: {message}")


def _place(message: str) -> tuple[int, str]:
    """tomllib says the place at the end of its message."""
    found = re.search(r" \(at line (\d+), column \d+\)$", message)
    return (int(found[1]), message[: found.start()]) if found else (1, message)


def _named(message: str) -> str:
    """The last name that msgspec's message speaks of: the unknown field, or the path's end."""
    quoted = re.findall(r"`\$?\.?([^`]*)`", message)
    return re.sub(r"\[.*?\]", "", quoted[-1]).split(".")[-1] if quoted else ""


def _line_of(text: str, name: str) -> int:
    pattern = re.compile(rf'^\s*(?:\[.*?)?"?{re.escape(name)}"?\s*(?:[=\].]|$)')
    for number, line in enumerate(text.splitlines(), start=1):
        if name and pattern.match(line):
            return number
    return 1
