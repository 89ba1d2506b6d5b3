"""Calls of the scripts: what is sent to Redis and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

import msgpack
from redis.exceptions import NoScriptError, ResponseError, TryAgainError

from streamer import failpoint
from streamer.errors import StoreMismatch
from streamer.state.connection import Client
from streamer.state.keys import Keys
from streamer.state.known import Entry, parse
from streamer.state.scripts import source
from streamer.state.users import REMEMBERED_ITEMS, Recent

RangeCall = tuple[str, int, int, int, int, int] | tuple[str, int, int]
"""Field of the watermark, first offset, offset after the last; and for items how many events are
applied, duplicates and dead letters."""


@dataclass(slots=True)
class ItemsCall:
    """One call of apply.lua; its header says what the fields mean."""

    shard: int
    ranges: list[RangeCall]
    clock: float | None
    ids: Sequence[str]
    records: Sequence[bytes]
    etags: bytes
    facts: list[list[Any]]
    users: Recent | None


@dataclass(slots=True)
class KinCall:
    """One call of kin.lua; its header says what the fields mean."""

    shard: int
    ranges: list[RangeCall]
    ids: Sequence[str]
    heads: bytes


@dataclass(slots=True)
class EncodingsCall:
    """One call of encodings.lua; its header says what the fields mean."""

    shard: int
    watermark: str
    first: int
    last: int
    etag: bytes
    descriptions: list[list[Any]] = field(default_factory=list)
    reviews: list[list[Any]] = field(default_factory=list)


@dataclass(slots=True)
class Reply:
    """What a script answers: ``applied`` with what the call says; or where the shard ``stands`` in
    each range; or which records were ``changed`` by somebody else."""

    applied: list[bytes] | None = None
    stands: list[int] | None = None
    changed: list[int] | None = None

    @property
    def doubtful(self) -> bool:
        """Whether nothing was applied."""
        return self.applied is None


class Store:
    """The state of one group in Redis.

    Calls that are sent again after a lost connection do no harm: a shard that has applied them says
    where it stands. They raise redis errors and StoreMismatch.
    """

    def __init__(self, client: Client, keys: Keys, user_retention_seconds: float) -> None:
        self.client = client
        self.keys = keys
        self.remembers_users = user_retention_seconds > 0
        self._retention = str(max(1, int(user_retention_seconds)))
        self._scripts = {sha1(source(n).encode()).hexdigest(): source(n) for n in _SCRIPTS}
        self._apply, self._kin, self._encodings, self._read, self._forget = self._scripts

    async def apply_items(self, calls: Sequence[ItemsCall]) -> list[Reply]:
        """Runs the calls in one pipeline."""
        return await self._run(
            [
                (
                    *(self._apply, 1, self.keys.logs[call.shard], _pack(call.ranges)),
                    "" if call.clock is None else repr(call.clock),
                    _pack(self._filled(call)),
                    call.etags,
                    _pack(call.facts) if call.facts else b"",
                    _pack(call.users.columns) if call.users else b"",
                    *(self._retention, REMEMBERED_ITEMS),
                )
                for call in calls
            ]
        )

    async def apply_kin(self, calls: Sequence[KinCall]) -> list[Reply]:
        """Runs the calls in one pipeline; ``applied`` are the relatives' new records."""
        return await self._run(
            [
                (
                    *(self._kin, 1, self.keys.logs[call.shard], _pack(call.ranges)),
                    *(_pack(self.keys.in_shard("k", call.shard, call.ids)), call.heads),
                )
                for call in calls
            ]
        )

    def _filled(self, call: ItemsCall) -> list[str | bytes]:
        """The keys of the items, each before its record."""
        filled: list[str | bytes] = [b""] * (2 * len(call.ids))
        filled[::2] = self.keys.in_shard("i", call.shard, call.ids)
        filled[1::2] = call.records
        return filled

    async def apply_encodings(self, calls: Sequence[EncodingsCall]) -> list[Reply]:
        """Runs the calls in one pipeline; ``applied`` are the ids of the items touched."""
        return await self._run(
            [
                (
                    *(self._encodings, 1, self.keys.logs[call.shard]),
                    *(call.watermark, call.first, call.last),
                    *(_pack(call.descriptions), _pack(call.reviews), call.etag),
                )
                for call in calls
            ]
        )

    async def _run(self, commands: Sequence[tuple[Any, ...]]) -> list[Reply]:
        return [
            _reply(answer)
            for some in failpoint.apart("script", commands)
            for answer in await self._evaluate(some)
        ]

    async def read_items(self, ids: Sequence[str]) -> list[Entry | None]:
        """Items as they are now; None for one that has no record. Raises StoreMismatch."""
        by_shard = self._by_shard(ids)
        answers = await self._evaluate(
            [
                (self._read, 1, self.keys.logs[shard], "\n".join([ids[place] for place in places]))
                for shard, places in by_shard.items()
            ]
        )
        entries: list[Entry | None] = [None] * len(ids)
        for places, values in zip(by_shard.values(), answers, strict=True):
            for place, five in zip(places, zip(*[iter(values)] * 5, strict=True), strict=True):
                entries[place] = parse(five)
        return entries

    async def read(self, kind: str, names: Sequence[str]) -> list[bytes | None]:
        """Values by name, e.g. ``read("k", kin ids)``; None where there is none."""
        by_shard = self._by_shard(names)
        pipeline = self.client.pipeline(transaction=False)
        for places in by_shard.values():
            pipeline.execute_command("MGET", *[self.keys.of(kind, names[p]) for p in places])
        values: list[bytes | None] = [None] * len(names)
        for places, found in zip(by_shard.values(), await pipeline.execute(), strict=True):
            for place, value in zip(places, found, strict=True):
                values[place] = value
        return values

    def _by_shard(self, names: Sequence[str]) -> dict[int, list[int]]:
        """The places of the names by shard."""
        found: dict[int, list[int]] = {}
        for place, name in enumerate(names):
            found.setdefault(self.keys.shard[name], []).append(place)
        return found

    async def forget(self, shard: int, ids: Sequence[str], etags: bytes) -> list[str]:
        """Removes the items of a shard whose records still have these etags, 8 bytes each.

        Returns those that are gone.
        """
        if not ids:
            return []
        command = (self._forget, 1, self.keys.logs[shard], "\n".join(ids), etags)
        (gone,) = await self._evaluate([command])
        return [item_id.decode() for item_id in gone]

    async def known_ids(self, shard: int, after: str, limit: int) -> list[str]:
        """Up to ``limit`` items of a shard with ids greater than ``after``, in order."""
        low = f"({after}" if after else "-"
        found: Any = await self.client.zrange(
            f"{self.keys.tags[shard]}:known",
            low,
            "+",
            bylex=True,
            offset=0,
            num=limit,
        )
        return [item_id.decode() for item_id in found]

    async def known_count(self, shard: int) -> int:
        return int(await self.client.zcard(f"{self.keys.tags[shard]}:known"))

    async def clock(self) -> float:
        """The largest event time applied, seconds; 0 when there was none."""
        return float(await self.client.hget(self.keys.logs[0], "clock") or 0)

    async def watermarks(self, fields: Sequence[str]) -> list[list[int | None]]:
        """For each shard its watermark of every field, None where it has none."""
        pipeline = self.client.pipeline(transaction=False)
        for log in self.keys.logs:
            pipeline.hmget(log, list(fields))
        rows = await pipeline.execute()
        return [[None if value is None else int(value) for value in row] for row in rows]

    async def _evaluate(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        try:
            try:
                return await self._pipeline(commands)
            except NoScriptError:
                await self._load()
                return await self._pipeline(commands)
        except ResponseError as error:
            if "SCHEMA" in str(error):
                raise StoreMismatch(f"{error}; run the newer streamer on this store") from None
            if _SLOT_IS_MOVED in str(error):
                raise TryAgainError(str(error)) from None
            raise

    async def _pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        if not commands:
            return []
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command("EVALSHA", *command)
        replies: list[Any] = await pipeline.execute()
        return replies

    async def _load(self) -> None:
        for text in self._scripts.values():
            await self.client.script_load(text)


_SLOT_IS_MOVED = "non local key"
"""What a cluster says to a script whose keys are on their way to another node."""

_SCRIPTS = ("apply", "kin", "encodings", "read", "forget")


def _reply(answer: list[Any]) -> Reply:
    status, *rest = answer
    if status == b"applied":
        return Reply(applied=rest)
    return Reply(stands=rest) if status == b"stands" else Reply(changed=rest)


_pack: Callable[[Any], bytes] = msgpack.Packer(use_bin_type=False).pack
"""MessagePack as Lua's cmsgpack reads it: bytes and text alike are strings there."""
