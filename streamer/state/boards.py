"""Launch boards in Redis: the candidates in order, and the one history of decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

import msgpack
import msgspec
from redis.exceptions import NoScriptError

from streamer.events import LaunchRank
from streamer.state.connection import Client
from streamer.state.keys import Keys
from streamer.state.line import Line
from streamer.state.scripts import plain


@dataclass(frozen=True, slots=True)
class Filing:
    """An item's place on a board: a score (probability), or None when it may not be listed."""

    item_id: str
    version: float
    time: float
    score: float | None


class Decision(msgspec.Struct, array_like=True):
    """What a board shows since ``sequence``, and the message that says so, word for word."""

    sequence: int
    time: float
    lines: list[Line]
    message: LaunchRank


_pack = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(Decision).decode


class Boards:
    """All boards of one group."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._scripts = {name: plain(name) for name in ("file", "decide")}
        self._sha = {name: sha1(text.encode()).hexdigest() for name, text in self._scripts.items()}

    async def file(self, filings: Mapping[str, Sequence[Filing]]) -> None:
        """Files items by board. May be repeated."""
        if not filings:
            return
        commands = [
            ("file", 2, self._key(board, "ranking"), self._key(board, "filed"), _entries(some))
            for board, some in filings.items()
        ]
        await self._run(commands)
        names: Any = list(filings)
        await self._client.sadd(self._keys.boards, *names)

    async def forget(self, boards: Iterable[str], item_ids: Iterable[str]) -> None:
        """Removes every trace of items whose state has expired."""
        ids: Any = list(item_ids)
        pipeline = self._client.pipeline(transaction=False)
        for board in boards:
            pipeline.zrem(self._key(board, "ranking"), *ids)
            pipeline.hdel(self._key(board, "filed"), *ids)
        await pipeline.execute()

    async def forget_filings(self) -> None:
        """Forgets by which version and as of when items were filed: whoever files one next is
        believed. Where they stand is kept. May be repeated."""
        for board in await self.names():
            await self._client.unlink(self._key(board, "filed"))

    async def names(self) -> list[str]:
        """Every board that was ever filed on."""
        found: set[Any] = await self._client.smembers(self._keys.boards)
        return sorted(name.decode() for name in found)

    async def candidates(self, board: str, limit: int) -> list[tuple[str, float]]:
        """The best items of a board with their scores; of equal scores the smaller id first."""
        found: Any = await self._client.zrange(
            self._key(board, "ranking"), 0, limit - 1, desc=True, withscores=True
        )
        pairs = [(item.decode(), float(score)) for item, score in found]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    async def size(self, board: str) -> int:
        return int(await self._client.zcard(self._key(board, "ranking")))

    async def rank(self, board: str, item_id: str) -> int | None:
        """The place of an item among the board's candidates, from 1."""
        place: Any = await self._client.zrevrank(self._key(board, "ranking"), item_id)
        return None if place is None else int(place) + 1

    async def decision(self, board: str) -> tuple[Decision | None, bool]:
        """The decision in force, and whether it is marked as published."""
        stored: dict[Any, Any] = await self._client.hgetall(self._key(board, "decision"))
        if not stored:
            return None, True
        decision = _read(stored[b"decision"])
        return decision, int(stored.get(b"published", 0)) >= decision.sequence

    async def decide(self, board: str, before: Decision | None, decision: Decision) -> bool:
        """Makes it the decision in force, if that is still the one ``before``."""
        key, base = self._key(board, "decision"), before.sequence if before else 0
        command = ("decide", 1, key, base, decision.sequence, _pack(decision))
        (in_force,) = await self._run([command])
        return bool(in_force)

    async def mark_published(self, board: str, sequence: int) -> None:
        await self._client.hset(self._key(board, "decision"), "published", str(sequence))

    def _key(self, board: str, part: str) -> str:
        return f"{self._keys.board(board)}:{part}"

    async def _run(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        try:
            return await self._pipeline(commands)
        except NoScriptError:
            for text in self._scripts.values():
                await self._client.script_load(text)
            return await self._pipeline(commands)

    async def _pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for name, *arguments in commands:
            pipeline.execute_command("EVALSHA", self._sha[name], *arguments)
        replies: list[Any] = await pipeline.execute()
        return replies


def _entries(filings: Sequence[Filing]) -> bytes:
    rows = [(f.item_id, f.version, f.time, False if f.score is None else f.score) for f in filings]
    packed: bytes = msgpack.packb(rows, use_bin_type=False)
    return packed
