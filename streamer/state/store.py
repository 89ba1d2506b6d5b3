"""Calls of the scripts: what is sent to Redis and what comes back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, Literal

import msgpack
from redis.exceptions import NoScriptError, ResponseError

from streamer import failpoint
from streamer.errors import StoreMismatch
from streamer.state.connection import Client
from streamer.state.keys import Keys
from streamer.state.layout import ITEM
from streamer.state.scripts import source

REMEMBERED_ITEMS = 20
"""Items kept of a user's recent past."""

Status = Literal["applied", "before", "inside", "gap", "unborn"]
Entry = bytes | list[Any] | None
"""A record; or [record, facts, content, reviews, early]; or None where there is nothing."""


@dataclass(slots=True)
class ShardCall:
    """One call of apply.lua; its header says what the fields mean."""

    shard: int
    watermark: str
    first: int
    last: int
    kind: Literal["i", "k"]
    clock: float | None = None
    counts: tuple[int, int, int] = (0, 0, 0)
    ids: Sequence[str] = ()
    heads: bytes = b""
    tails: bytes = b""
    known: bytes = b""
    facts: list[list[Any]] = field(default_factory=list)
    users: list[list[Any]] = field(default_factory=list)


@dataclass(slots=True)
class EncodingsCall:
    """One call of encodings.lua; its header says what the fields mean."""

    shard: int
    watermark: str
    first: int
    last: int
    descriptions: list[list[Any]] = field(default_factory=list)
    reviews: list[list[Any]] = field(default_factory=list)


@dataclass(slots=True)
class ShardReply:
    """``watermark`` is where the shard stands after the call; ``entries`` follow the call's ids, or
    ``ids`` where the script names them."""

    status: Status
    watermark: int
    entries: list[Entry]
    ids: list[str] = field(default_factory=list)


class Store:
    """The state of one group in Redis."""

    def __init__(self, client: Client, keys: Keys, user_retention_seconds: float) -> None:
        self.client = client
        self.keys = keys
        self.remembers_users = user_retention_seconds > 0
        self._retention = str(max(1, int(user_retention_seconds)))
        self._scripts = {sha1(source(n).encode()).hexdigest(): source(n) for n in _SCRIPTS}
        self._apply, self._encodings, self._forget = self._scripts

    async def apply(self, calls: Sequence[ShardCall]) -> list[ShardReply]:
        """Runs the calls in one pipeline.

        Sent again after a lost connection they do no harm: a shard that has applied them answers
        from its watermark. Raises redis errors, StoreMismatch.
        """
        commands = [
            (self._apply, 1, self.keys.logs[call.shard], *self._arguments(call)) for call in calls
        ]
        return [
            ShardReply(reply[0].decode(), int(reply[1]), reply[2:])
            for some in failpoint.apart("script", commands)
            for reply in await self._evaluate(some)
        ]

    def _arguments(self, call: ShardCall) -> tuple[str | bytes | int, ...]:
        return (
            call.watermark,
            call.first,
            call.last,
            "" if call.clock is None else repr(call.clock),
            " ".join(map(str, call.counts)),
            call.kind,
            "\n".join(call.ids),
            call.heads,
            call.tails,
            call.known,
            _pack(call.facts) if call.facts else b"",
            _pack(call.users) if call.users else b"",
            self._retention,
            REMEMBERED_ITEMS,
        )

    async def add_encodings(self, calls: Sequence[EncodingsCall]) -> list[ShardReply]:
        """Runs the calls in one pipeline; entries follow the reply's ``ids``.

        Raises redis errors, StoreMismatch.
        """
        commands = [
            (
                self._encodings,
                1,
                self.keys.logs[call.shard],
                call.watermark,
                call.first,
                call.last,
                _pack(call.descriptions),
                _pack(call.reviews),
                _UNCHANGED,
            )
            for call in calls
        ]
        return [
            ShardReply(
                status=status.decode(),
                watermark=int(watermark),
                entries=found[1::2],
                ids=[item_id.decode() for item_id in found[::2]],
            )
            for status, watermark, *found in await self._evaluate(commands)
        ]

    async def read(self, kind: str, names: Sequence[str]) -> list[bytes | None]:
        """Values by name, e.g. ``read("k", kin ids)``; None where there is none."""
        by_shard: dict[int, list[int]] = {}
        for place, name in enumerate(names):
            by_shard.setdefault(self.keys.shard[name], []).append(place)
        pipeline = self.client.pipeline(transaction=False)
        for places in by_shard.values():
            keys = [self.keys.of(kind, names[place]) for place in places]
            pipeline.execute_command("MGET", *keys)
        values: list[bytes | None] = [None] * len(names)
        for places, found in zip(by_shard.values(), await pipeline.execute(), strict=True):
            for place, value in zip(places, found, strict=True):
                values[place] = value
        return values

    async def forget(self, shard: int, ids: Sequence[str], before: float) -> list[str]:
        """Removes the items of a shard that have no event after ``before`` (event time, seconds).

        Returns those that are gone.
        """
        if not ids:
            return []
        command = (self._forget, 1, self.keys.logs[shard], repr(before), "\n".join(ids))
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
            return await self._pipeline(commands)
        except NoScriptError:
            await self._load()
            return await self._pipeline(commands)
        except ResponseError as error:
            if "SCHEMA" in str(error):
                raise StoreMismatch(f"{error}; run the newer streamer on this store") from None
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


_UNCHANGED = ITEM.heads(1).tobytes()
_SCRIPTS = ("apply", "encodings", "forget")


def _pack(value: Any) -> bytes:
    """MessagePack as Lua's cmsgpack reads it: bytes and text alike are strings there."""
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    return packed


def known_counts(counts: Sequence[float]) -> bytes:
    """The caller's aux counts as apply.lua reads them."""
    return struct.pack(f"<{len(counts)}d", *counts)
