"""Encoded texts in memory and, behind that, in Redis: what one encoder has read no other reads again,
nor the same one after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from streamer.encoding.cache import CACHE_SIZE, Cache, Encoded, MemoryCache
from streamer.encoding.observer import Observer
from streamer.settings import Settings
from streamer.state.contents import Contents

DAY_SECONDS = 86400.0

_pack = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(Encoded).decode


class Shared(Protocol):
    """Packed encodings that several encoders share; contents.py says more."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None] | None: ...

    def put_many(self, values: Iterable[tuple[bytes, bytes]]) -> bool: ...


def open_cache(settings: Settings, observer: Observer) -> Cache:
    """The cache that these settings ask for. Nothing is sent before the first text."""
    memory = MemoryCache(CACHE_SIZE)
    if not settings.encoder_cache_days:
        return memory
    shared = Contents(settings, settings.encoder_cache_days * DAY_SECONDS)
    return LayeredCache(memory, shared, observer)


class LayeredCache:
    """Asks ``memory`` first, and ``shared`` for the rest."""

    def __init__(self, memory: Cache, shared: Shared, observer: Observer) -> None:
        self._memory, self._shared, self._observer = memory, shared, observer

    def get_many(self, keys: Sequence[bytes]) -> list[Encoded | None]:
        found = self._memory.get_many(keys)
        missing = [place for place, encoded in enumerate(found) if encoded is None]
        self._observer.looked_up(level="memory", hits=len(keys) - len(missing), misses=len(missing))
        if missing:
            more = self._ask([keys[place] for place in missing])
            for place, encoded in zip(missing, more, strict=True):
                found[place] = encoded
            self._memory.put_many((keys[p], e) for p in missing if (e := found[p]) is not None)
        return found

    def put_many(self, entries: Iterable[tuple[bytes, Encoded]]) -> None:
        kept = list(entries)
        self._memory.put_many(kept)
        if kept and not self._shared.put_many([(key, _pack(encoded)) for key, encoded in kept]):
            self._observer.looked_up(level="redis", unreachable=len(kept))

    def _ask(self, keys: Sequence[bytes]) -> list[Encoded | None]:
        values = self._shared.get_many(keys)
        if values is None:
            self._observer.looked_up(level="redis", unreachable=len(keys))
            return [None] * len(keys)
        found = [_unpacked(value) for value in values]
        misses = found.count(None)
        self._observer.looked_up(level="redis", hits=len(keys) - misses, misses=misses)
        return found


def _unpacked(value: bytes | None) -> Encoded | None:
    """None also for what is not an encoding."""
    try:
        return None if value is None else _read(value)
    except msgspec.MsgspecError:
        return None
