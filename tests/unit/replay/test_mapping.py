from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streamer.errors import ConfigurationError
from streamer.replay.sources.mapping import FieldMapping
from streamer.replay.sources.mapping_file import load_mapping
from streamer.replay.sources.moments import TimeRule
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)

MAPPING = """\
topic = "user-behaviour"

[fields]
item_id = "sku"
user_id = "customer.id"
time = "placed"

[constants]
channel = "web"

[values.type]
PV = "view"
BUY = "purchase"

[time]
format = "%d/%m/%Y %H:%M"
zone = "Europe/Berlin"
"""


@pytest.fixture
def mapping_file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(MAPPING)
    return path


def test_a_row_becomes_an_event_as_the_mapping_says(mapping_file: Path) -> None:
    row = {"sku": 77, "customer": {"id": "ann"}, "placed": "05/03/2024 13:00", "type": "BUY"}
    fields, time = load_mapping(mapping_file).apply(row)
    assert time == NOON.timestamp()
    assert fields == {
        "item_id": "77",
        "user_id": "ann",
        "time": time,
        "type": "purchase",
        "channel": "web",
    }


def test_columns_with_our_own_names_need_no_mapping() -> None:
    row = {"item_id": "a", "type": "view", "time": 12.5, "unknown": 1}
    assert FieldMapping().apply(row) == ({"item_id": "a", "type": "view", "time": 12.5}, 12.5)


def test_categories_are_split_and_attributes_gathered() -> None:
    mapping = FieldMapping(
        NEW_ITEMS, fields={"category": "path", "attributes.colour": "col"}, separator=">"
    )
    fields, _ = mapping.apply({"path": "Home > Kitchen", "col": "red", "time": 1})
    assert fields["category"] == ["Home", "Kitchen"]
    assert fields["attributes"] == {"colour": "red"}


def test_a_launch_is_written_as_times_are() -> None:
    mapping = FieldMapping(NEW_ITEMS, time=TimeRule("ms"))
    fields, _ = mapping.apply({"time": 1_700_000_060_000, "launch_time": 1_700_000_000_000})
    assert fields == {"time": 1_700_000_060.0, "launch_time": 1_700_000_000.0}
    fields, _ = FieldMapping(NEW_ITEMS).apply({"time": 1, "launch_time": "2024-03-05T12:00:00"})
    assert fields["launch_time"] == NOON.timestamp()
    fields, _ = FieldMapping(NEW_ITEMS).apply({"time": 1, "launch_time": "soon"})
    assert fields["launch_time"] == "soon"


def test_missing_values_are_left_out_and_misfits_kept() -> None:
    row = {"item_id": None, "user_id": "", "value": float("nan"), "quantity": "many", "time": "?"}
    assert FieldMapping().apply(row) == ({"quantity": "many", "time": "?"}, None)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (TimeRule("s"), NOON.timestamp()),
        (TimeRule("ms"), int(NOON.timestamp() * 1000)),
        (TimeRule("us"), str(int(NOON.timestamp() * 1_000_000))),
        (TimeRule(), "2024-03-05T12:00:00Z"),
        (TimeRule(zone=ZoneInfo("America/New_York")), "2024-03-05 07:00"),
        (TimeRule(), NOON),
        (TimeRule(), NOON.replace(tzinfo=None)),
        (TimeRule(format="%Y%m%d%H"), "2024030512"),
    ],
)
def test_times_are_read_as_the_rule_says(rule: TimeRule, value: object) -> None:
    assert rule.seconds(value) == NOON.timestamp()


def test_a_date_is_its_midnight() -> None:
    assert TimeRule().seconds(date(2024, 3, 5)) == datetime(2024, 3, 5, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "value", [None, True, "soon", "2024-13-01", float("nan"), [], "inf", 1.7e12, 0, -5]
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert TimeRule().seconds(value) is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("topic = 'user-behaviour'\n[fields\n", 2, "Expected ']'"),
        ("\n[fields]\nitem = 'sku'\n", 3, "no field 'item'; it has time, "),
        ("[constants]\ntype = 'view'\nprice = 3\n", 3, "no field 'price'"),
        ("[values.kind]\na = 'view'\n", 1, "no field 'kind'"),
        ("[fields]\nitem_id = 7\n", 2, "item_id needs the name of a column, not 7"),
        ("[felds]\nitem_id = 'a'\n", 1, "unknown field `felds`; there are topic, fields, "),
        ("[time]\nunti = 's'\n", 1, "there are unit, format, zone"),
        ("[time]\n\nunit = 'minutes'\n", 3, "Invalid enum value 'minutes'"),
        ("[time]\nzone = 'Europe/Atlantis'\n", 2, "'Europe/Atlantis' is no time zone"),
        ("topic = 'shop'\n", 1, "there are user-behaviour, new-items"),
    ],
)
def test_a_bad_mapping_is_one_line_with_file_and_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_mapping(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert said in message
    assert "\n" not in message


def test_a_missing_mapping_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        load_mapping(tmp_path / "none.toml")


def test_a_given_topic_overrides_that_of_the_file(mapping_file: Path) -> None:
    assert load_mapping(mapping_file).topic is USER_BEHAVIOUR
    mapping_file.write_text("[fields]\ntitle = 'name'\n")
    assert load_mapping(mapping_file, NEW_ITEMS).topic is NEW_ITEMS
