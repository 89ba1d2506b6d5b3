"""The soak: laps go on where the one before ended, memory is judged right, a restart is timed right."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from streamer.bench.journey import Journey
from streamer.bench.laps import Laps
from streamer.bench.restart import assigned_at
from streamer.bench.soak import EMBEDDED_EVENTS, Look, Plan, by_million, growth, run, spread
from streamer.errors import ConfigurationError, StreamerError
from streamer.events import Behaviour, NewItem
from streamer.settings import Settings

DAY = 86400.0
_pack = msgspec.msgpack.Encoder().encode


def _item(item_id: str, time: float, **more: float) -> tuple[bytes, bytes]:
    return item_id.encode(), _pack(NewItem(item_id=item_id, time=time, **more))  # type: ignore[arg-type]


def _laps() -> Laps:
    events = [
        Behaviour(item_id="a", type="view", time=1e9, user_id="u", event_id="e1"),
        Behaviour(item_id="b", type="purchase", time=1e9 + 1.5 * DAY, user_id="v"),
    ]
    records = [(event.item_id.encode(), _pack(event)) for event in events]
    catalogue = [_item("a", 1e9 - DAY, launch_time=1e9), _item("b", 1e9), _item("unsold", 1e9)]
    return Laps(Journey(catalogue, events, records))


def test_the_next_lap_is_of_new_items_at_a_later_time_and_of_the_same_users() -> None:
    laps = _laps()
    first, second = (
        [msgspec.msgpack.decode(value, type=Behaviour) for _, value in laps.events(n) if value]
        for n in (0, 1)
    )
    assert [event.time for event in second] == [event.time + 2 * DAY for event in first]
    assert min(event.time for event in second) > max(event.time for event in first)
    assert [event.user_id for event in second] == ["u", "v"]
    assert not {event.item_id for event in first} & {event.item_id for event in second}
    assert (first[0].event_id, first[1].event_id) == ("e1.0", None)
    assert second[0].event_id == "e1.1"


def test_a_laps_catalogue_has_its_items_and_no_others() -> None:
    items = [msgspec.msgpack.decode(v, type=NewItem) for _, v in _laps().catalogue(1) if v]
    assert [item.item_id for item in items] == ["a.1", "b.1"]
    assert [item.time for item in items] == [1e9 + DAY, 1e9 + 2 * DAY]
    assert [item.launch_time for item in items] == [1e9 + 2 * DAY, None]


def test_memory_is_judged_by_the_greatest_of_each_million() -> None:
    """It saws between 60 and 100 MiB within a million, and has grown by 20 in the last one."""
    looks = [Look(n, n * 100_000, 60.0 + 40.0 * (n % 2) + 20.0 * (n >= 20)) for n in range(30)]
    assert by_million(looks) == {0: 100.0, 1: 100.0, 2: 120.0}
    assert spread(looks) == pytest.approx(1.2)


def test_growth_is_what_a_million_events_add() -> None:
    looks = [Look(n, n * 500_000, 100.0 + 2.0 * n) for n in range(11)]
    assert growth(looks) == pytest.approx(4.0)


def test_a_restart_counts_from_the_last_time_partitions_were_assigned(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "2026-01-01 [warning] not JSON\n"
        '{"event": "partitions assigned", "partitions": 8, "timestamp": "2026-01-01T00:00:01Z"}\n'
        '{"event": "partitions assigned", "partitions": 8, "timestamp": "2026-01-01T00:00:05Z"}\n'
        '{"event": "partitions assigned", "partitions": 0, "timestamp": "2026-01-01T00:00:09Z"}\n'
    )
    assert assigned_at(log) == 1767225605.0
    log.write_text("nothing\n")
    with pytest.raises(StreamerError, match="no partitions"):
        assigned_at(log)


def test_more_events_than_the_embedded_broker_holds_need_a_kafka() -> None:
    with pytest.raises(ConfigurationError, match="--kafka"):
        run(Settings(), Plan(EMBEDDED_EVENTS + 1, None), lambda _: None, lambda _: None)
