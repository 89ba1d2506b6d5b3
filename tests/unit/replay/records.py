"""Records and sources for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamer.events import Behaviour
from streamer.replay.record import TimedRecord
from streamer.topology import USER_BEHAVIOUR


def purchase(item: str, time: float, event_id: str | None = None) -> TimedRecord:
    event = Behaviour(time=time, item_id=item, type="purchase", event_id=event_id)
    return TimedRecord(USER_BEHAVIOUR, item.encode(), event, time, "purchase")


class Listed:
    """A source that is a list."""

    name = "a list"
    about = "Made for a test."

    def __init__(self, records: Sequence[TimedRecord], start_time: float | None = None) -> None:
        self._records = list(records)
        self.total = len(self._records)
        times = [record.time for record in self._records] or [0.0]
        self.start_time = times[0] if start_time is None else start_time
        self.last_time = times[-1]

    def __iter__(self) -> Iterator[TimedRecord]:
        return iter(self._records)
