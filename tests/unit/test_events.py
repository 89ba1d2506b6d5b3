"""Every message type can be read from a producer one version older or newer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Struct

from streamer.events import (
    BEHAVIOUR_TYPES,
    SCHEMA,
    Behaviour,
    DeadLetter,
    Event,
    ItemScore,
    LaunchRank,
    NewItem,
    RankChange,
)
from streamer.topology import TOPICS
from streamer.wire import pack

LEAST: dict[str, Any] = {
    "item_id": "i",
    "time": 1.5,
    "type": "view",
    "kind": "review",
    "text_id": "t",
    "text": "good",
    "fingerprint": "f",
    "vector": b"\x01\x02",
    "probability": 0.25,
    "uncertainty": 0.5,
    "stage": "warm",
    "logit": -1.0,
    "contributions": {"base": -1.0},
    "reasons": ["▲ bought often"],
    "model": "m",
    "version": 7,
    "board": "food",
    "sequence": 3,
    "snapshot": False,
    "changes": [],
    "topic": "new-items",
    "partition": 1,
    "offset": 2**40,
    "code": "invalid",
    "reason": "wrong",
    "key": None,
    "value": b"\xc1",
    "value_bytes": 1,
}
TYPES = pytest.mark.parametrize("kind", [t.type for t in TOPICS], ids=[t.name for t in TOPICS])


def required(kind: type[Struct]) -> dict[str, Any]:
    fields = msgspec.structs.fields(kind)
    return {f.name: LEAST[f.name] for f in fields if f.required}


@TYPES
def test_optional_fields_may_be_missing_and_unknown_ones_there(kind: type[Struct]) -> None:
    read = msgspec.msgpack.Decoder(kind).decode
    least = read(msgspec.msgpack.encode(required(kind)))
    more = read(msgspec.msgpack.encode(required(kind) | {"mood": {"deep": [1, None]}}))
    assert least == more == kind(**required(kind))
    assert least.schema == SCHEMA  # type: ignore[attr-defined]


@TYPES
def test_every_required_field_is_required(kind: type[Struct]) -> None:
    for name in required(kind):
        rest = {k: v for k, v in required(kind).items() if k != name}
        with pytest.raises(msgspec.ValidationError, match=f"required field `{name}`"):
            msgspec.convert(rest, kind)


@TYPES
def test_every_message_survives_packing(kind: type[Struct]) -> None:
    message = kind(**required(kind))
    assert msgspec.msgpack.decode(pack(message), type=kind) == message


def test_inputs_are_events_with_an_id_of_their_own_or_none() -> None:
    for topic in TOPICS:
        if topic.name in {"new-items", "user-behaviour"}:
            assert issubclass(topic.type, Event)
            assert topic.type(**required(topic.type)).event_id is None  # type: ignore[attr-defined]


def test_the_order_of_behaviour_types_is_that_of_the_stored_counters() -> None:
    """Codes and columns follow it: a new type goes to the end, with a new schema of the records."""
    assert BEHAVIOUR_TYPES == (
        "impression",
        "view",
        "click",
        "favourite",
        "cart",
        "purchase",
        "return",
        "rating",
        "review",
        "share",
        "hide",
    )


def test_lists_and_mappings_of_two_messages_are_not_shared() -> None:
    one, other = NewItem(item_id="a", time=1.0), NewItem(item_id="b", time=1.0)
    one.category.append("food")
    one.attributes["litres"] = 1.0
    assert other.category == []
    assert other.attributes == {}


def test_a_line_that_left_carries_no_rank() -> None:
    left = RankChange(item_id="i", change="left", previous_rank=3)
    message = LaunchRank(board="food", sequence=2, snapshot=False, changes=[left], time=1.0)
    told = msgspec.msgpack.decode(pack(message))["changes"][0]
    assert told == {"item_id": "i", "change": "left", "previous_rank": 3, "reason": ""}
    (again,) = msgspec.msgpack.decode(pack(message), type=LaunchRank).changes
    assert again.rank is UNSET


def test_bytes_that_are_no_text_survive_in_a_dead_letter() -> None:
    letter = DeadLetter(**(required(DeadLetter) | {"key": b"\xff", "value": bytes(range(256))}))
    assert msgspec.msgpack.decode(pack(letter), type=DeadLetter) == letter


def test_types_say_what_is_out_of_range() -> None:
    for fields, place in [
        ({"item_id": "x" * 201}, "item_id"),
        ({"quantity": -1.0}, "quantity"),
        ({"value": 1e11}, "value"),
        ({"propensity": 1.5}, "propensity"),
        ({"position": 2**31}, "position"),
        ({"surface": "x" * 401}, "surface"),
    ]:
        given = {"item_id": "i", "time": 1.0, "type": "view", **fields}
        with pytest.raises(msgspec.ValidationError, match=rf"\$\.{place}"):
            msgspec.convert(given, Behaviour)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.stage"):
        msgspec.convert(required(ItemScore) | {"stage": "lukewarm"}, ItemScore)
