"""A user's own file as a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from streamer.errors import ConfigurationError
from streamer.replay.record import TimedRecord
from streamer.replay.sources.converted import record_of, unreadable
from streamer.replay.sources.mapping import FieldMapping
from streamer.replay.sources.ordering import SortedRecords
from streamer.replay.sources.rows import Format, format_of, read_rows

_FORMS: Mapping[Format, str] = {
    "jsonl": "JSON lines are an object a line, not a list of them",
    "csv": "CSV is UTF-8, a header and as many cells in each row as in that",
    "parquet": "Parquet holds a table",
}


class FileSource:
    """The rows of one file, made records by a mapping.

    The file is read at the beginning, for the number of its rows and their times, and again for
    each replay. If it is not in time order, it is sorted once, with the help of temporary files.
    A row without a readable time, or that can't be read, keeps its place behind the row before
    it. Raises ConfigurationError.
    """

    def __init__(self, path: Path, mapping: FieldMapping, format: Format | None = None) -> None:
        self._path, self._mapping = path, mapping
        self._format: Format = format or format_of(path)
        self._survey()
        self._sorted = None if self._ordered else SortedRecords(self._records())
        self.name = path.name
        self.about = f"{path.name}: {self.total:,} rows of your own, at the times they give."

    def _survey(self) -> None:
        self.total, self._ordered, latest = 0, True, float("-inf")
        self.start_time = float("inf")
        absent = set(self._mapping.fields.values())
        columns: set[str] = set()
        readable = False
        for row in read_rows(self._path, self._format):
            self.total += 1
            if row.fields is None:
                continue
            readable = True
            if absent:
                absent &= self._mapping.absent(row.fields)
                columns |= row.fields.keys()
            time = self._mapping.apply(row.fields)[1]
            if time is None:
                continue
            self._ordered &= time >= latest
            latest = max(latest, time)
            self.start_time = min(self.start_time, time)
        self.last_time = latest
        if not self.total:
            raise ConfigurationError(f"{self._path}: there are no rows in it")
        if not readable:
            raise ConfigurationError(
                f"{self._path}: no row of it can be read: {_FORMS[self._format]}"
            )
        if latest == float("-inf"):
            column = dict(self._mapping.fields).get("time", "time")
            raise ConfigurationError(
                f"{self._path}: no row has a time in column {column!r}: name the column of the time "
                "in the mapping's [fields], and how it is written in its [time]"
            )
        if absent:
            raise ConfigurationError(
                f"{self._path}: no row has the column {', '.join(sorted(absent))}, which the "
                f"mapping names; there are {', '.join(sorted(columns))}"
            )

    def __iter__(self) -> Iterator[TimedRecord]:
        return self._records() if self._sorted is None else iter(self._sorted)

    def _records(self) -> Iterator[TimedRecord]:
        topic, time = self._mapping.topic, self.start_time
        for row in read_rows(self._path, self._format):
            where = f"{self._path.name}:{row.line}"
            if row.fields is None:
                yield unreadable(topic, row.raw, where, time)
                continue
            fields, own_time = self._mapping.apply(row.fields)
            time = time if own_time is None else own_time
            yield record_of(topic, fields, where, time)
