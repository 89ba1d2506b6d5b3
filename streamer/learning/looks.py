"""Looks at items while a log is replayed: their features at given ages."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.embedded import valkey
from streamer.events import Behaviour, Encoding, NewItem
from streamer.judge import actions
from streamer.learning.bookmark import Arrays, Bookmark, bookmark
from streamer.learning.replay import Look, Replay
from streamer.replay.record import TimedRecord
from streamer.settings import Settings, load
from streamer.state.connection import connected
from streamer.state.features import features
from streamer.state.keys import Keys
from streamer.state.store import Store

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Looks:
    """A row each look: ``x`` (rows, features), ``content`` (rows, dimensions), ``actions``
    (rows, kinds; shopper actions so far), ``age`` (days), ``time`` (seconds), ``item``."""

    item: NDArray[np.str_]
    x: Floats
    content: NDArray[np.float32]
    actions: Floats
    age: Floats
    time: Floats

    def __len__(self) -> int:
        return len(self.item)

    def save(self, path: Path) -> None:
        """Writes a file that is whole or not there, whenever the process dies."""
        arrays = {name: getattr(self, name) for name in self.__slots__}
        making = path.with_name(f".{path.stem}.{os.getpid()}.npz")
        try:
            np.savez_compressed(making, allow_pickle=False, **arrays)
            making.replace(path)
        finally:
            making.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Looks:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Watch:
    """At which ages an item is looked at, if at all, and how the encoder of ``fingerprint`` read
    the text of an event (see `Replay`)."""

    ages_days: Callable[[NewItem], Sequence[float]]
    encode: Callable[[Behaviour | NewItem], Iterable[Encoding]]
    fingerprint: str
    dimensions: int


def observe(
    records: Iterable[TimedRecord],
    watch: Watch,
    progress: Callable[[int], None] = lambda _: None,
    keep: Path | None = None,
) -> Looks:
    """Replays the records on an embedded Valkey and looks at items on the way.

    ``progress`` is told how many records are done. In the folder ``keep`` it is kept how far this
    is, so that a replay of the same that was cut short goes on. Raises DependencyMissing.
    """
    with tempfile.TemporaryDirectory() as folder, bookmark(keep, Path(folder)) as kept:
        server, url = valkey(Path(folder))
        with server:
            return asyncio.run(_replay(load(redis=url), records, watch, progress, kept))


async def _replay(
    settings: Settings,
    records: Iterable[TimedRecord],
    watch: Watch,
    progress: Callable[[int], None],
    kept: Bookmark | None,
) -> Looks:
    async with connected(settings) as client:
        store = Store(client, Keys("replay", shards=1), user_retention_seconds=0)
        replay = Replay(store, watch.ages_days, watch.encode)
        parts: list[Arrays] = []

        async def rest() -> None:
            if kept and kept.due():
                await kept.keep(replay.place, parts, client)

        if kept and kept.place:
            replay.go_on(kept.place)
        async for look in replay.run(records, progress, rest):
            parts.append(_seen(look, watch))  # noqa: PERF401 - `rest` reads it on the way
        parts = [*(kept.looks() if kept else ()), *parts]
    return Looks(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _seen(look: Look, watch: Watch) -> Arrays:
    """The fields of `Looks`."""
    found = features(look.items, look.kin, look.time, watch.fingerprint, watch.dimensions)
    ids = np.array(look.items.ids)
    return ids, found.x, found.content, actions(look.items), look.age, look.time
