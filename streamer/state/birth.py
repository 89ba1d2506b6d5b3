"""A store remembers its birth, and says where each partition is to be read from.

On first use a record is written with the shard count, the schemas and, for every log, the offset
from which this store has counted it. From then on a missing watermark or a missing record is not a
beginning but a loss, and is never passed over in silence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import structlog

from streamer import failpoint
from streamer.errors import EventsExpired, StoreEmpty, StoreMismatch, WatermarkAhead
from streamer.state.keys import watermark
from streamer.state.layout import ITEM, KIN, REVIEWS, Layout
from streamer.state.scripts import plain
from streamer.state.store import Store

log = structlog.get_logger(__name__)

COUNTED = ("i", "k")
"""The phases of a log whose events are counted: items, then kin."""
ENCODED = ("e",)
"""The phase of a log of encodings."""

SCHEMAS = {"schema": ITEM, "schema:kin": KIN, "schema:reviews": REVIEWS}
"""By the field of the birth's record that says of which schema a store's records are."""

IfEmpty = Literal["stop", "rebuild", "from-now"]
"""What to do when Redis is empty behind a group that has committed offsets: stop with an error,
count again from the earliest retained event, or start counting at the committed offsets."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A partition as the broker has it. ``log`` is the topic's id; ``committed`` the group's
    offset, None where it has none; retained are the offsets from ``earliest`` to before ``end``;
    ``phases`` are those in which it is applied, each with a watermark of its own."""

    topic: str
    partition: int
    log: str
    committed: int | None
    earliest: int
    end: int
    phases: tuple[str, ...] = COUNTED


class Log(NamedTuple):
    """A partition of a topic, the topic's id, and the phases in which it is applied."""

    topic: str
    partition: int
    log: str
    phases: tuple[str, ...]

    @property
    def watermarks(self) -> list[str]:
        return [watermark(phase, self.log, self.partition) for phase in self.phases]


@dataclass(frozen=True, slots=True)
class Birth:
    """What was asked for when the store was born, '' where that is not known, and the logs that
    there were. Offsets of a log made again since are not those that the group has committed."""

    if_empty: str
    logs: frozenset[str]


Ends = Callable[[list[tuple[str, int]]], Awaitable[Mapping[tuple[str, int], int]]]
"""Asks the broker where partitions end at that moment."""


async def open_logs(
    store: Store,
    extents: list[Extent],
    if_empty: IfEmpty = "stop",
    others: Iterable[str] = (),
    ends: Ends | None = None,
) -> dict[tuple[str, int], int]:
    """Makes the store ready for the partitions. ``others`` are the ids of logs that there are as
    well: a store that is born now has met them, too. Where partitions may grow and be applied by
    somebody else meanwhile, ``ends`` asks for their ends once more.

    Returns by (topic, partition) the offset to read from: where the shard that is furthest behind
    stands. Raises StoreEmpty, StoreMismatch, EventsExpired, WatermarkAhead.
    """
    await _begin_logs(store, extents, await _ensure_born(store, extents, if_empty, others))
    stands = await standing(store, [Log(e.topic, e.partition, e.log, e.phases) for e in extents])
    if ends:
        extents = await _grown(extents, stands, ends)
    return {
        (extent.topic, extent.partition): _checked(extent, *stand)
        for extent, stand in zip(extents, stands, strict=True)
    }


async def _grown(
    extents: list[Extent], stands: Sequence[tuple[int, int]], ends: Ends
) -> list[Extent]:
    """The extents; of those that seem to end before what is applied, the end as it is now. What was
    applied before we looked was in the log by then, so one that still ends before it has lost it."""
    pairs = zip(extents, stands, strict=True)
    passed = [(e.topic, e.partition) for e, (_, ahead) in pairs if ahead > e.end]
    now = await ends(passed) if passed else {}
    return [replace(e, end=now.get((e.topic, e.partition), e.end)) for e in extents]


async def standing(store: Store, logs: Sequence[Log]) -> list[tuple[int, int]]:
    """Of each log the offsets up to which the shard furthest behind and the one furthest ahead
    have applied it. Raises StoreEmpty."""
    if not logs:
        return []
    rows = await store.watermarks([field for log in logs for field in log.watermarks])
    found: list[tuple[int, int]] = []
    place = 0
    for log in logs:
        mine = [value for row in rows for value in row[place : place + len(log.phases)]]
        place += len(log.phases)
        present = [value for value in mine if value is not None]
        if len(present) < len(mine):
            raise StoreEmpty(
                f"Redis has lost watermarks of {log.topic}/{log.partition}; restore it, or "
                "empty it and start again with --rebuild"
            )
        found.append((min(present), max(present)))
    return found


def _checked(extent: Extent, behind: int, ahead: int) -> int:
    where = f"{extent.topic}/{extent.partition}"
    if behind < extent.earliest:
        raise EventsExpired(
            f"Redis needs {where} from offset {behind} again, but the broker retains it only from "
            f"{extent.earliest}: offsets {behind} to {extent.earliest - 1} are lost to the state; "
            "empty Redis and start again with --rebuild to count from what is retained"
        )
    if ahead > extent.end:
        raise WatermarkAhead(
            f"Redis has applied {where} up to offset {ahead}, but the broker's log ends at "
            f"{extent.end}: the broker has lost events that the state has counted; restore its "
            "log, or empty Redis and start again with --rebuild"
        )
    return behind


async def check_readable(store: Store) -> None:
    """Whether what stands in the store can be read by these settings and this streamer; a store that
    was not born yet can. Raises StoreMismatch."""
    record: Mapping[Any, Any] = await store.client.hgetall(store.keys.birth)
    if record:
        _check_born(record, store)


async def _ensure_born(
    store: Store, extents: list[Extent], if_empty: IfEmpty, others: Iterable[str]
) -> Birth:
    """How the store was born, if not before then by this call: every worker goes by that, whatever
    it was told itself, also for partitions that it holds only later."""
    record: Mapping[Any, Any] = await store.client.hgetall(store.keys.birth)
    if not record:
        if if_empty == "stop":
            _check_new(extents)
        record = await _give_birth(store, if_empty, {*others, *(e.log for e in extents)})
    _check_born(record, store)
    birth = _birth(record)
    if if_empty not in ("stop", birth.if_empty):
        log.warning(
            f"--{if_empty} has no effect: this store was born {_HOW.get(birth.if_empty, 'before')}; "
            "to begin anew stop all workers, empty Redis and start them with the same option"
        )
    return birth


_HOW = {"stop": "without it", "rebuild": "with --rebuild", "from-now": "with --from-now"}


async def _give_birth(store: Store, if_empty: IfEmpty, logs: Iterable[str]) -> dict[bytes, bytes]:
    """The record of the store's birth: this one, or that of whoever was first."""
    fields: dict[str, str | int] = {"shards": store.keys.shards, "if_empty": if_empty}
    fields |= {field: layout.schema for field, layout in SCHEMAS.items()}
    fields |= {f"met:{log}": 1 for log in logs}
    client: Any = store.client
    flat = [part for pair in fields.items() for part in pair]
    found = await client.eval(plain("born"), 1, store.keys.birth, *flat)
    failpoint.passing("born")
    return dict(zip(found[::2], found[1::2], strict=True))


def _birth(record: Mapping[Any, Any]) -> Birth:
    logs = [field.removeprefix(b"met:") for field in record if field.startswith(b"met:")]
    return Birth(record.get(b"if_empty", b"").decode(), frozenset(log.decode() for log in logs))


def _check_new(extents: Sequence[Extent]) -> None:
    going_on = [e for e in extents if e.committed]
    if going_on:
        where = ", ".join(f"{e.topic}/{e.partition} at {e.committed}" for e in going_on[:3])
        raise StoreEmpty(
            f"Redis knows nothing of what the group has committed ({where}): its state is "
            "gone; restore Redis, or empty it and start with --rebuild (count again from the "
            "earliest retained event) or --from-now (start counting at the committed offsets)"
        )


def _check_born(record: Mapping[Any, Any], store: Store) -> None:
    shards = int(record[b"shards"])
    if shards != store.keys.shards:
        raise StoreMismatch(
            f"this store was born with {shards} shards; set STREAMER_SHARDS={shards}, or use "
            "another group or Redis"
        )
    for field, layout in SCHEMAS.items():
        # A store that is older than the other two fields tells only that of items.
        _check_schema(layout, int(record.get(field.encode(), layout.schema)))


def _check_schema(layout: Layout, schema: int) -> None:
    if schema > layout.schema:
        raise StoreMismatch(
            f"this store has {layout.name} records of schema {schema}, this streamer writes "
            f"{layout.schema}; run the newer one"
        )
    if schema not in {layout.schema, *dict(layout.older)}:
        raise StoreMismatch(
            f"this store has {layout.name} records of schema {schema}, which this streamer can't "
            f"carry over to {layout.schema}; empty Redis and start with --rebuild"
        )


async def _begin_logs(store: Store, extents: list[Extent], birth: Birth) -> None:
    """Writes where counting begins for every log that the store has not met. The start is decided
    first and marked as written last, so that a crash on the way is taken up by whoever is next."""
    for extent in extents:
        name = f"{extent.log}:{extent.partition}"
        if await store.client.hexists(store.keys.birth, f"begun:{name}"):
            continue
        of_old = extent.log in birth.logs
        if of_old and birth.if_empty == "stop":
            _check_new([extent])
        from_now = of_old and birth.if_empty == "from-now"
        start = extent.earliest if not from_now or extent.committed is None else extent.committed
        await store.client.hsetnx(store.keys.birth, f"start:{name}", str(start))
        decided = await store.client.hget(store.keys.birth, f"start:{name}")
        failpoint.passing("start-decided")
        pipeline = store.client.pipeline(transaction=False)
        for log in store.keys.logs:
            for phase in extent.phases:
                field = watermark(phase, extent.log, extent.partition)
                pipeline.hsetnx(log, field, int(decided or start))
        await pipeline.execute()
        failpoint.passing("watermarks-begun")
        await store.client.hset(store.keys.birth, f"begun:{name}", "1")
