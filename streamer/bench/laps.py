"""The real events told again and again: each lap a later time, with new items and the same shoppers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import msgspec

from streamer.bench.journey import Journey
from streamer.events import NewItem
from streamer.publish import Record

DAY_SECONDS = 86400.0

_encode = msgspec.msgpack.Encoder().encode
_read_item = msgspec.msgpack.Decoder(NewItem).decode


@dataclass(frozen=True)
class Laps:
    """``data`` is the first lap; every further one begins where the one before has ended, at the
    same time of day."""

    data: Journey

    @cached_property
    def seconds(self) -> float:
        """How long a lap is, in event time: whole days."""
        times = [event.time for event in self.data.events]
        return DAY_SECONDS * ceil((max(times) - min(times) + 1.0) / DAY_SECONDS)

    @cached_property
    def _items(self) -> list[NewItem]:
        """Those of the catalogue that something happens to."""
        touched = {event.item_id for event in self.data.events}
        items = [_read_item(value) for _, value in self.data.catalogue if value]
        return [item for item in items if item.item_id in touched]

    def catalogue(self, lap: int) -> Iterator[Record]:
        for item in self._items:
            told = msgspec.structs.replace(
                item,
                item_id=_named(item.item_id, lap),
                time=self._later(item.time, lap),
                launch_time=None
                if item.launch_time is None
                else self._later(item.launch_time, lap),
            )
            yield told.item_id.encode(), _encode(told)

    def events(self, lap: int) -> Iterator[Record]:
        for event in self.data.events:
            told = msgspec.structs.replace(
                event,
                item_id=_named(event.item_id, lap),
                time=self._later(event.time, lap),
                event_id=event.event_id and _named(event.event_id, lap),
            )
            yield told.item_id.encode(), _encode(told)

    def _later(self, time: float, lap: int) -> float:
        return time + lap * self.seconds


def _named(of: str, lap: int) -> str:
    return f"{of}.{lap}"
