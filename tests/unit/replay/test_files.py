from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.chunk import Chunk
from streamer.errors import ConfigurationError
from streamer.events import Behaviour, NewItem
from streamer.replay.record import UNREADABLE, Source, TimedRecord
from streamer.replay.sources.files import FileSource
from streamer.replay.sources.mapping import FieldMapping
from streamer.replay.sources.moments import TimeRule
from streamer.replay.sources.opening import open_files
from streamer.topology import NEW_ITEMS
from streamer.validity import Limits
from streamer.wire import behaviours

ROWS = [
    {"sku": "a", "who": "ann", "kind": "view", "at": 1_700_000_000_000, "spent": None},
    {"sku": "b", "who": "bob", "kind": "purchase", "at": 1_700_000_060_500, "spent": 12.5},
    {"sku": "a", "who": "ann", "kind": "purchase", "at": 1_700_000_120_000, "spent": 3},
]
MAPPING = FieldMapping(
    fields={"item_id": "sku", "user_id": "who", "type": "kind", "time": "at", "value": "spent"},
    time=TimeRule("ms"),
)
EVENTS = [
    Behaviour(
        item_id=str(row["sku"]),
        user_id=str(row["who"]),
        type=row["kind"],  # type: ignore[arg-type]
        time=int(str(row["at"])) / 1000,
        value=row["spent"],  # type: ignore[arg-type]
    )
    for row in ROWS
]


def write_jsonl(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def write_gzipped(path: Path) -> Path:
    path = path.with_suffix(".jsonl.gz")
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    return path


def write_csv(path: Path) -> Path:
    path = path.with_suffix(".csv")
    pd.DataFrame(ROWS).to_csv(path, index=False)
    return path


def write_semicolons(path: Path) -> Path:
    path = path.with_suffix(".csv")
    pd.DataFrame(ROWS).to_csv(path, index=False, sep=";", encoding="utf-8-sig")
    return path


def write_parquet(path: Path) -> Path:
    path = path.with_suffix(".parquet")
    times = pd.to_datetime([row["at"] for row in ROWS], unit="ms")
    pd.DataFrame(ROWS).assign(at=times).to_parquet(path)
    return path


def refusals(records: list[TimedRecord]) -> list[tuple[str, str]]:
    """What a worker says to the records that it can't use: code and reason."""
    chunk = Chunk(
        topic="user-behaviour",
        partition=0,
        log="log",
        start=0,
        end=len(records),
        offsets=np.arange(len(records)),
        timestamps_ms=np.zeros(len(records), np.int64),
        keys=[record.key for record in records],
        values=[record.encoded() for record in records],
    )
    read = behaviours.read(chunk, Limits(2e9, 0.0, 100_000, 1000))
    assert len(read.events) + len(read.dead_letters) == len(records)
    return [(letter.code, letter.reason) for letter in read.dead_letters]


@pytest.mark.parametrize(
    "write", [write_jsonl, write_gzipped, write_csv, write_semicolons, write_parquet]
)
def test_every_format_gives_the_same_events(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    source = open_files([write(tmp_path / "shop.jsonl")], MAPPING)
    records = list(source)
    assert [record.value for record in records] == EVENTS
    assert [record.key for record in records] == [b"a", b"b", b"a"]
    assert source.total == 3
    assert (source.start_time, source.last_time) == (1_700_000_000.0, 1_700_000_120.0)
    assert list(source) == records


def test_a_file_out_of_order_is_sorted(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(ROWS)))
    source = FileSource(path, MAPPING)
    assert [record.time for record in source] == [event.time for event in EVENTS]
    assert {record.kind for record in source} == {"view", "purchase"}


def test_a_bad_row_travels_on_and_its_neighbours_too(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    good = [json.dumps(row) for row in ROWS]
    bad = [
        '{"sku": "c", "at": 17',
        "[1, 2]",
        json.dumps({"who": "cy", "kind": "view", "at": 1.7e12}),
    ]
    path.write_text("\n".join([good[0], *bad, "", good[1], good[2]]))
    records = list(FileSource(path, MAPPING))
    assert [r.value for r in records if r.kind != UNREADABLE] == EVENTS
    unusable = [r for r in records if r.kind == UNREADABLE]
    assert [r.key for r in unusable] == [b"shop.jsonl:2", b"shop.jsonl:3", b"shop.jsonl:4"]
    assert [code for code, _ in refusals(records)] == ["undecodable", "invalid", "invalid"]
    assert "missing required field `item_id`" in refusals(records)[2][1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"kind": "wish"}, "Invalid enum value 'wish' - at `$.type`"),
        ({"spent": -3}, "at `$.value`"),
        ({"spent": "a lot"}, "Expected `float | null`, got `str` - at `$.value`"),
        ({"at": "yesterday"}, "Expected `float`, got `str` - at `$.time`"),
        ({"sku": ["a"]}, "Expected `str`, got `array` - at `$.item_id`"),
        ({"kind": 10**40}, "missing required field"),
        ({"spent": "2.5", "kind": "wish"}, "Invalid enum value 'wish' - at `$.type`"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_the_reason(
    tmp_path: Path, row: dict[str, object], reason: str
) -> None:
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, [ROWS[0], ROWS[1] | row, ROWS[2]])))
    records = list(FileSource(path, MAPPING))
    assert [record.kind for record in records] == ["view", UNREADABLE, "purchase"]
    ((_, said),) = refusals(records)
    assert reason in said


def test_broken_csv_rows_say_what_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes(
        b"sku,who,kind,at,spent\n"
        b"a,ann,view,1700000000000,\n"
        b"b,bob,view\n"
        b"c,c\xff,view,1700000060000,\n"
        b'd,"two\nlines",view,1700000120000,2\n'
    )
    records = list(FileSource(path, MAPPING))
    assert [r.kind for r in records] == ["view", UNREADABLE, UNREADABLE, "view"]
    assert [r.key for r in records[1:3]] == [b"shop.csv:3", b"shop.csv:4"]
    problems = [json.loads(r.encoded()) for r in records[1:3]]
    assert problems[0] == {"problem": "3 cells where the header has 5", "row": "b,bob,view"}
    assert problems[1]["problem"] == "not UTF-8"
    assert [code for code, _ in refusals(records)] == ["invalid", "invalid", "id"]


def test_numbers_in_text_pass_for_numbers_and_numbers_for_ids(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    row = {"item_id": 42, "user_id": 7.0, "type": "rating", "rating": "4.5", "time": "1700000000"}
    path.write_text(json.dumps(row))
    ((record),) = FileSource(path, FieldMapping())
    assert record.value == Behaviour(
        item_id="42", user_id="7", type="rating", rating=4.5, time=1.7e9
    )


def test_a_row_from_before_all_time_does_not_begin_a_replay(tmp_path: Path) -> None:
    """At any speed but max, the others would have come fifty years later."""
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, [ROWS[0], ROWS[1] | {"at": 0}, ROWS[2]])))
    source = FileSource(path, MAPPING)
    records = list(source)
    assert source.start_time == EVENTS[0].time
    assert [record.time for record in records] == [EVENTS[0].time, EVENTS[0].time, EVENTS[2].time]
    assert [code for code, _ in refusals(records[1:2])] == ["time"]


def test_a_first_row_that_is_too_long_does_not_carry_the_header(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(f"sku,who,kind,at,spent\na,{'x' * 140_000},view,1,\nb,bob,view,2,\n")
    first, _ = FileSource(path, MAPPING)
    assert json.loads(first.encoded())["row"].startswith("a,xxx")


def test_what_parquet_holds_in_its_own_types_is_read(tmp_path: Path) -> None:
    """Decimals of a database, maps, and null where a struct has no such field."""
    at = pa.array([Decimal(1_700_000_000), Decimal(1_700_000_001)], pa.decimal128(38, 0))
    ids, titles = pa.array([Decimal(41), Decimal(42)], pa.decimal128(38, 0)), pa.array(["A", "B"])
    of_map = pa.array([[("colour", "red")], []], pa.map_(pa.string(), pa.string()))
    of_struct = pa.array([{"colour": "red", "size": None}, {"colour": None, "size": None}])
    for name, attributes in (("map", of_map), ("struct", of_struct)):
        path = tmp_path / f"{name}.parquet"
        columns = {"item_id": ids, "time": at, "title": titles, "attributes": attributes}
        pq.write_table(pa.table(columns), path)
        assert [(r.key, r.value) for r in FileSource(path, FieldMapping(NEW_ITEMS))] == [
            (
                b"41",
                NewItem(item_id="41", time=1.7e9, title="A", attributes={"colour": "red"}),
            ),
            (b"42", NewItem(item_id="42", time=1.7e9 + 1, title="B")),
        ]


def test_several_files_are_merged_by_time(tmp_path: Path) -> None:
    paths = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    paths[0].write_text(json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[2]))
    paths[1].write_text(json.dumps(ROWS[1]))
    source: Source = open_files(paths, MAPPING)
    assert [record.value for record in source] == EVENTS
    assert source.total == 3


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    path, link = tmp_path / "shop.jsonl", tmp_path / "link.jsonl"
    path.write_text(json.dumps(ROWS[0]))
    link.symlink_to(path)
    for again in (path, tmp_path / "." / "shop.jsonl", link):
        with pytest.raises(ConfigurationError, match="is named twice") as caught:
            open_files([path, again], MAPPING)
        assert again.name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("shop.jsonl", None, "there is no such file"),
        ("shop.txt", b"x", "name its format with --format"),
        ("shop.jsonl", b'{"sku": "a"}', "no row has a time in column 'at'"),
        ("shop.jsonl.gz", gzip.compress(b'{"sku": "a", "at": 1}\n' * 99)[:-20], "can't be read on"),
        ("shop.jsonl", b"", "there are no rows in it"),
        ("shop.csv", b"sku,at\n", "there are no rows in it"),
        (
            "shop.json",
            b'[{"sku": "a", "at": 1}]',
            "no row of it can be read: JSON lines are an obj",
        ),
        ("shop.jsonl", b'{"sku": "a", "at": 1e17}', "no row has a time in column 'at'"),
        ("shop.parquet", b"PAR?", "can't be read on"),
    ],
)
def test_a_file_that_can_not_be_read_is_one_line(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        open_files([tmp_path / name], MAPPING)
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mapped_column_that_no_row_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    path.write_text('{"skew": "a", "at": 1}\n{"skew": "b", "at": 2}\n')
    with pytest.raises(
        ConfigurationError, match=r"the column sku, which the mapping.*are at, skew"
    ):
        open_files([path], FieldMapping(fields={"item_id": "sku", "time": "at"}))


def test_a_mapped_column_that_one_row_has_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    path.write_text('{"at": 1}\n{"sku": {"id": "b"}, "at": 2, "stars": null}\n')
    fields = {"item_id": "sku.id", "time": "at", "rating": "stars"}
    source = open_files([path], FieldMapping(fields=fields))
    assert source.total == 2


def test_times_without_a_zone_are_utc(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    path.write_text(json.dumps({"item_id": "a", "type": "view", "time": "2024-03-05 12:00"}))
    ((record),) = FileSource(path, FieldMapping())
    assert record.time == datetime(2024, 3, 5, 12, tzinfo=UTC).timestamp()
