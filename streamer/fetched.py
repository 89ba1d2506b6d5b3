"""What aiokafka has fetched of a partition, taken as columns instead of record by record.

aiokafka hands out an object for each record, made in Python; that costs more than all else a
transport does. Here the record batches underneath are read as they are (KIP-98 for what transactions
leave in a log).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from numpy.typing import NDArray

from streamer.chunk import value_bytes
from streamer.lane import Room

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records as columns, in order of offset, if there are any; what was read begins at ``start``,
    and ``next`` is the offset to go on from. Both lie apart from the records where the log has
    holes or marks of transactions."""

    offsets: Ints
    timestamps_ms: Ints
    keys: Sequence[bytes | None]
    values: list[bytes | None]
    start: int
    next: int

    @classmethod
    def of(cls, records: Sequence[Any], start: int, next_: int) -> Fetched:
        return cls(
            _offsets(records),
            np.fromiter([record.timestamp for record in records], np.int64, len(records)),
            Keys(records),
            [record.value for record in records],
            start,
            next_,
        )

    def __len__(self) -> int:
        return len(self.values)

    def part(self, places: slice) -> Fetched:
        """The records at these places."""
        return Fetched(
            self.offsets[places],
            self.timestamps_ms[places],
            self.keys[places],
            self.values[places],
            self.start,
            self.next,
        )


def _offsets(records: Sequence[Any]) -> Ints:
    if not records:
        return np.zeros(0, np.int64)
    first, last = records[0].offset, records[-1].offset
    if last - first == len(records) - 1:
        return np.arange(first, last + 1)
    return np.fromiter([record.offset for record in records], np.int64, len(records))


class Keys(Sequence[bytes | None]):
    """The keys of records, of which few are ever asked for."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Keys(self._records[place])
        return self._records[place].key


class Portions:
    """One fetch of one partition, taken portion by portion."""

    def __init__(self, fetch: FetchResult) -> None:
        self.fetch = fetch
        self._left: list[Any] = []
        self._left_bytes = 0
        self._read_to = 0

    def take(self, most: int, most_bytes: int) -> Fetched | None:
        """Up to ``most`` of the records that are next, and none behind the one whose value reaches
        ``most_bytes``; None where the fetch is void or at its end.

        Of a fetch no more is unpacked than the batch in which the portion ends. Raises
        CorruptRecordException.
        """
        fetch = self.fetch
        if not fetch.check_assignment(fetch._topic_partition) or not fetch.has_more():
            return None
        source = fetch._partition_records
        # Never used, it would hold what was fetched, and be held by it, until the cyclic collector
        # comes.
        source._records_iterator = None
        start = source.next_fetch_offset
        while (
            len(self._left) < most and self._left_bytes < most_bytes and source._records.has_next()
        ):
            batch = _next_batch(source)
            self._left += batch
            self._left_bytes += value_bytes([record.value for record in batch])
            self._read_to = source.next_fetch_offset
        records = self._portion(most, most_bytes)
        source.next_fetch_offset = self._left[0].offset if self._left else self._read_to
        fetch._update_position()
        if not self._left and not source._records.has_next():
            fetch._partition_records = None
        if source.next_fetch_offset == start:
            return None
        return Fetched.of(records, start, source.next_fetch_offset)

    def _portion(self, most: int, most_bytes: int) -> list[Any]:
        """The first of what is left."""
        count = min(most, len(self._left))
        if self._left_bytes >= most_bytes:
            sizes = [len(record.value or b"") for record in self._left[:count]]
            count = min(count, 1 + int(np.searchsorted(np.cumsum(sizes), most_bytes)))
        records, self._left = self._left[:count], self._left[count:]
        self._left_bytes -= value_bytes([record.value for record in records])
        return records


class Fetches:
    """Hands over what a client's fetcher has fetched of its partitions, portion by portion."""

    def __init__(self) -> None:
        self._portions: dict[Any, Portions] = {}

    async def take(
        self, fetcher: Any, room: Mapping[Any, Room], most: int, timeout: float
    ) -> dict[Any, Fetched]:
        """A portion of each partition of which something has come or comes within ``timeout``
        seconds: of up to ``most`` records, no more than it has ``room`` for, and about as many
        bytes. Raises what a fetch failed with."""
        found = self._taken(fetcher, room, most)
        if not found and await _more(fetcher, timeout):
            found = self._taken(fetcher, room, most)
        return found

    def _taken(self, fetcher: Any, room: Mapping[Any, Room], most: int) -> dict[Any, Fetched]:
        found: dict[Any, Fetched] = {}
        for gone in self._portions.keys() - fetcher._records.keys():
            del self._portions[gone]
        for tp, (records, most_bytes) in room.items():
            fetch = fetcher._records.get(tp)
            if fetch is None:
                continue
            whole = isinstance(fetch, FetchResult)
            portions = self._portions_of(tp, fetch) if whole else None
            some = portions.take(min(most, records), most_bytes) if portions else None
            if not whole or not fetch.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            if isinstance(fetch, FetchError):
                fetch.check_raise()
            if some is not None:
                found[tp] = some
        return found

    def _portions_of(self, tp: Any, fetch: FetchResult) -> Portions:
        portions = self._portions.get(tp)
        if portions is None or portions.fetch is not fetch:
            portions = self._portions[tp] = Portions(fetch)
        return portions


async def _more(fetcher: Any, timeout: float) -> bool:
    """Waits until a fetch has come, and says whether one has."""
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=timeout)
    if not done:
        waiter.cancel()
        return False
    waiter.result()
    return True


def _next_batch(source: PartitionRecords) -> list[Any]:
    """The records of the next batch, without what an aborted transaction left."""
    batch = source._records.next_batch()
    if source._check_crcs and not batch.validate_crc():
        raise CorruptRecordException(f"Invalid CRC - {source._tp}")
    kept = not _aborted(source, batch) and not batch.is_control_batch
    records = [r for r in batch if r.offset >= source.next_fetch_offset] if kept else []
    source.next_fetch_offset = batch.next_offset
    return records


def _aborted(source: PartitionRecords, batch: Any) -> bool:
    if source._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    source._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and source._contains_abort_marker(batch):
        source._aborted_producers.discard(batch.producer_id)
    return batch.is_transactional and batch.producer_id in source._aborted_producers
