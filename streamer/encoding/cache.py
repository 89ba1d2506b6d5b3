"""Encoded texts by content: the same text is never encoded twice while it is remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from xxhash import xxh3_128_digest

from streamer.events import TextKind

CACHE_SIZE = 50_000


class Encoded(NamedTuple):
    """What comes of a text: `events.Encoding`'s ``vector`` and ``sentiment``."""

    vector: bytes
    sentiment: float | None


class Cache(Protocol):
    """Encoded texts by key. Called in batches, never on the event loop's thread, from several
    threads at once; may forget anything, must not make anything up."""

    def get_many(self, keys: Sequence[bytes]) -> list[Encoded | None]: ...

    def put_many(self, entries: Iterable[tuple[bytes, Encoded]]) -> None: ...


def key(model: str, kind: TextKind, cleaned: str) -> bytes:
    """The cache key of a cleaned text for a model's identity, 16 bytes."""
    return xxh3_128_digest(f"{model}|{kind}|{cleaned}".encode())


class MemoryCache:
    """The most recently used ``size`` entries, in memory."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, Encoded] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get_many(self, keys: Sequence[bytes]) -> list[Encoded | None]:
        with self._lock:
            return [self._get(key) for key in keys]

    def put_many(self, entries: Iterable[tuple[bytes, Encoded]]) -> None:
        with self._lock:
            for key, encoded in entries:
                self._entries[key] = encoded
                self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def _get(self, key: bytes) -> Encoded | None:
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)
