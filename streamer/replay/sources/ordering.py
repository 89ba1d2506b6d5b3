"""Sorting by time more records than fit into memory: sorted runs on disk, merged when read."""

from __future__ import annotations

import heapq
import shutil
import weakref
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from tempfile import mkdtemp

import msgpack

from streamer.replay.record import TimedRecord
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

RUN_BYTES = 64 * 2**20
"""Encoded bytes of one run; several times as much memory while it is sorted."""

_by_time = attrgetter("time")
_TOPICS = {topic.name: topic for topic in (NEW_ITEMS, USER_BEHAVIOUR)}


class SortedRecords:
    """The records by time, those of equal time as they came, their values encoded.

    All of them are read at once. What does not fit into one run lies in a temporary folder for
    as long as this object lives.
    """

    def __init__(self, records: Iterable[TimedRecord], run_bytes: int = RUN_BYTES) -> None:
        self._folder: Path | None = None
        self._files: list[Path] = []
        self._rest: list[TimedRecord] = []
        size = 0
        for record in records:
            value = record.encoded()
            self._rest.append(
                TimedRecord(
                    record.topic, record.key, value, record.time, record.kind, record.written
                )
            )
            size += len(value)
            if size >= run_bytes:
                self._put_aside()
                size = 0
        self._rest.sort(key=_by_time)

    def _put_aside(self) -> None:
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="streamer-replay-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        file = self._folder / str(len(self._files))
        _write(file, sorted(self._rest, key=_by_time))
        self._files.append(file)
        self._rest = []

    def __iter__(self) -> Iterator[TimedRecord]:
        return heapq.merge(*map(_read, self._files), self._rest, key=_by_time)


def _write(path: Path, run: list[TimedRecord]) -> None:
    pack = msgpack.Packer().pack
    with path.open("wb") as file:
        for r in run:
            file.write(pack((r.topic.name, r.key, r.value, r.time, r.kind, r.written)))


def _read(path: Path) -> Iterator[TimedRecord]:
    with path.open("rb") as file:
        for topic, *rest in msgpack.Unpacker(file, max_buffer_size=0):
            yield TimedRecord(_TOPICS[topic], *rest)
