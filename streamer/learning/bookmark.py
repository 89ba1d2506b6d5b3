"""How far a replay is, on disk: one that was cut short goes on from there."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.state.connection import Client

EVERY_SECONDS = 20.0
"""How often it is written down: what a crash costs at most."""
_PLACE, _SNAPSHOT = "place.json", "dump.rdb"

Arrays = tuple[NDArray[np.generic], ...]


class Bookmark:
    """A folder with what a replay needs to go on. ``server`` is the folder of its Valkey, which
    begins with the snapshot that was kept.

    Files are named by the number of records done, and `place.json`, which is replaced last, says
    which of them belong together: whenever the process dies, there is a whole place or none.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self._folder, self._server = folder, server
        self.place: dict[str, Any] = {}
        self._parts: list[int] = []
        self._at = time.monotonic()
        if (folder / _PLACE).exists():
            found = json.loads((folder / _PLACE).read_text())
            self.place, self._parts = found["place"], found["parts"]
            shutil.copyfile(self._file("rdb"), server / _SNAPSHOT)

    def looks(self) -> Iterator[Arrays]:
        """What had been seen when the folder was opened, and what was kept since."""
        for done in self._parts:
            with np.load(self._folder / f"{done}.npz", allow_pickle=False) as arrays:
                yield tuple(arrays.values())

    def due(self) -> bool:
        return time.monotonic() - self._at > EVERY_SECONDS

    async def keep(self, place: dict[str, Any], seen: list[Arrays], client: Client) -> None:
        """Keeps the place and what was ``seen`` since the last time, which is then forgotten.
        Nothing may be written to the store meanwhile."""
        stale = self._file("rdb")
        self.place = place
        await self._snapshot(client)
        if seen:
            fresh = [np.concatenate(each) for each in zip(*seen, strict=True)]
            np.savez(self._file("npz"), *fresh, allow_pickle=False)
            self._parts.append(place["done"])
            seen.clear()
        making = self._folder / f"{_PLACE}.new"
        making.write_text(json.dumps({"place": place, "parts": self._parts}))
        making.replace(self._folder / _PLACE)
        stale.unlink(missing_ok=True)
        self._at = time.monotonic()

    async def _snapshot(self, client: Client) -> None:
        await client.bgsave()
        while (await client.info("persistence"))["rdb_bgsave_in_progress"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        shutil.move(self._server / _SNAPSHOT, self._file("rdb"))

    def _file(self, kind: str) -> Path:
        return self._folder / f"{self.place.get('done', 0)}.{kind}"


@contextmanager
def bookmark(folder: Path | None, server: Path) -> Iterator[Bookmark | None]:
    """The folder's bookmark, which goes when the work is done; none while another replay has it."""
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        yield Bookmark(folder, server)
        shutil.rmtree(folder)
