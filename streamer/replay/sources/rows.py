"""Rows of a user's file: JSON lines, CSV or Parquet, the first two also compressed with gzip."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, TextIO, cast, get_args

import msgspec

from streamer.errors import ConfigurationError
from streamer.replay.sources.converted import broken
from streamer.replay.sources.packaged import parquet

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_DELIMITERS = ",;\t|"
_GZIP_START = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ROWS_AT_ONCE = 4096


class Row(NamedTuple):
    """One row, at its 1-based ``line`` (of Parquet: row).

    ``fields`` is None where it can't be read; ``raw`` is then what goes to the dead letters.
    """

    line: int
    fields: dict[str, Any] | None
    raw: bytes = b""


def format_of(path: Path) -> Format:
    """By the file's name. Raises ConfigurationError."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if not suffixes or suffixes[-1] not in _SUFFIXES:
        raise ConfigurationError(f"{path}: name its format with --format ({', '.join(FORMATS)})")
    return _SUFFIXES[suffixes[-1]]


def read_rows(path: Path, kind: Format) -> Iterator[Row]:
    """The rows in the file's order. Raises ConfigurationError if the file can't be read on."""
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such file")
    line = 0
    try:
        for row in _READERS[kind](path):
            line = row.line
            yield row
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ConfigurationError(f"{path}:{line + 1}: can't be read on: {error}") from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP_START
    return cast(IO[bytes], gzip.open(path)) if is_gzip else path.open("rb")


def _json_lines(path: Path) -> Iterator[Row]:
    decode = msgspec.json.Decoder().decode
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            raw = line.removeprefix(_BYTE_ORDER_MARK).strip()
            if not raw:
                continue
            try:
                fields = decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                fields = None
            yield Row(number, fields if isinstance(fields, dict) else None, raw)


def _csv(path: Path) -> Iterator[Row]:
    with _open(path) as file:
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        lines = _Lines(text)
        header_line = next(lines, "")
        lines.taken()
        header = next(csv.reader([header_line], delimiter=_delimiter(header_line)), [])
        reader = csv.reader(lines, delimiter=_delimiter(header_line))
        while True:
            number = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _broken(number, str(error), lines.taken())
                continue
            raw = lines.taken()
            if cells:
                yield _csv_row(number, header, cells, raw)


def _csv_row(number: int, header: list[str], cells: list[str], raw: str) -> Row:
    if len(cells) != len(header):
        return _broken(number, f"{len(cells)} cells where the header has {len(header)}", raw)
    if not raw.isascii() and any("\udc80" <= letter <= "\udcff" for letter in raw):
        return _broken(number, "not UTF-8", raw)
    return Row(number, dict(zip(header, cells, strict=True)))


def _broken(number: int, problem: str, raw: str) -> Row:
    row = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace").rstrip("\r\n")
    return Row(number, None, broken(problem, row))


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


class _Lines:
    """The lines of a text, remembering those that were taken since last asked."""

    def __init__(self, text: TextIO) -> None:
        self._text = iter(text)
        self._taken: list[str] = []
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self._taken.append(line)
        self.number += 1
        return line

    def taken(self) -> str:
        lines, self._taken = "".join(self._taken), []
        return lines


def _parquet(path: Path) -> Iterator[Row]:
    batches = parquet().ParquetFile(path).iter_batches(_ROWS_AT_ONCE)
    rows = chain.from_iterable(batch.to_pylist() for batch in batches)
    for number, fields in enumerate(rows, start=1):
        yield Row(number, fields)


_READERS = {"jsonl": _json_lines, "csv": _csv, "parquet": _parquet}


def read_all(paths: Iterable[Path], kind: Format) -> Iterator[tuple[Path, Row]]:
    """The rows of several files, one file after the other."""
    for path in paths:
        for row in read_rows(path, kind):
            yield path, row
