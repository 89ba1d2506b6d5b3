"""Whatever arrives is read as an event, or refused with a precise reason; nothing else happens."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import numpy as np
import pytest

from streamer.events import Encoding
from streamer.wire import MAX_REASON_CHARS, Reader, behaviours, encodings, new_items, pack
from tests.support.chunks import LIMITS, NOW, chunk_of, item, view


def refused(reader: Reader[Any], value: bytes | None) -> tuple[str, str]:
    """Code and reason with which the value is refused, between two neighbours that are not."""
    neighbour = item() if reader is new_items else view()
    batch = reader.read(chunk_of([neighbour, value, neighbour], start=7), LIMITS)
    assert batch.offsets.tolist() == [7, 9]
    assert len(batch.events) == 2
    (letter,) = batch.dead_letters
    assert (letter.topic, letter.partition, letter.offset, letter.key) == ("topic", 0, 8, b"key")
    assert letter.value_bytes == len(value or b"")
    return letter.code, letter.reason


NESTED = b"\x84" + view()[1:] + b"\xa7unknown" + b"\x91" * 100_000
BAD_BEHAVIOUR: list[tuple[str, bytes | None, str, str]] = [
    ("tombstone", None, "empty", "no value"),
    ("nothing", b"", "empty", "no value"),
    ("truncated", view()[:-3], "undecodable", "not MessagePack: Input data was truncated"),
    ("truncated JSON", b'{"item_id": "i"', "undecodable", "not JSON: Input data was truncated"),
    ("two messages", view() + view(), "undecodable", "trailing characters"),
    ("not an object", msgpack.packb([1, 2]), "invalid", "Expected `object`, got `array`"),
    ("markup", b"<html>", "invalid", "neither a JSON object nor a MessagePack map"),
    ("wrong type", view(time="noon"), "invalid", "Expected `float`, got `str` - at `$.time`"),
    ("bytes for text", view(item_id=b"i"), "invalid", "got `bytes` - at `$.item_id`"),
    ("no id", msgpack.packb({"type": "view", "time": NOW}), "invalid", "field `item_id`"),
    ("no time", msgpack.packb({"type": "view", "item_id": "i"}), "invalid", "field `time`"),
    ("unknown type", view(type="teleport"), "invalid", "enum value 'teleport' - at `$.type`"),
    ("empty id", view(item_id=""), "invalid", "length >= 1 - at `$.item_id`"),
    ("long id", view(item_id="x" * 1000), "invalid", "length <= 200 - at `$.item_id`"),
    ("id with a space", view(item_id="a b"), "id", "item_id 'a b' has spaces"),
    ("user with a line break", view(user_id="a\nb"), "id", r"user_id 'a\nb' has"),
    ("event id with a tab", view(event_id="a\tb"), "id", "event_id"),
    ("invalid UTF-8", view().replace(b"i1", b"\xff1"), "undecodable", "can't decode byte 0xff"),
    ("invalid UTF-8 in JSON", b'{"item_id": "\xff"}', "undecodable", "can't decode byte 0xff"),
    ("lone surrogate", rb'{"item_id": "\ud800", "time": 1}', "undecodable", "not JSON"),
    ("time is NaN", view(time=math.nan), "time", "time nan is not"),
    ("time is infinite", view(time=math.inf), "time", "time inf is not"),
    ("time is negative", view(time=-1.0), "time", "time -1.0 is not"),
    ("milliseconds", view(time=NOW * 1000), "time", "further ahead than allowed"),
    ("a day ahead", view(time=NOW + 86400), "time", "is 86400 s further ahead than allowed"),
    ("huge integer", view(time=2**64 - 1), "time", "further ahead than allowed"),
    ("NaN in JSON", b'{"item_id": "i", "time": NaN}', "undecodable", "not JSON"),
    ("NaN money", view(type="purchase", value=math.nan), "number", "value is nan"),
    ("NaN before rubbish", view(value=math.nan)[:-1], "undecodable", "truncated"),
    ("negative money", view(type="purchase", value=-0.01), "invalid", ">= 0.0 - at `$.value`"),
    ("infinite money", view(type="purchase", value=math.inf), "number", "value is inf"),
    ("money beyond sums", view(type="purchase", value=1e300), "invalid", "at `$.value`"),
    ("negative quantity", view(quantity=-1), "invalid", "at `$.quantity`"),
    ("huge quantity", view(quantity=1e200), "invalid", "at `$.quantity`"),
    ("rating out of range", view(type="rating", rating=11), "invalid", "<= 10.0 - at `$.rating`"),
    ("rating without one", view(type="rating"), "missing", "a rating needs `rating`"),
    ("review without text", view(type="review"), "empty-text", "a review needs `text`"),
    ("blank review", view(type="review", text=" \n\t"), "empty-text", "a review needs `text`"),
    ("10 MB review", view(type="review", text="x" * 10**7), "too-long", "10000000 characters"),
    (
        "10 MB title of a review",
        view(type="review", text="Soft", title="x" * 10**7),
        "too-long",
        "title has 10000000",
    ),
    ("10 MB type", view(type="x" * 10**7), "invalid", "Invalid enum value"),
    ("position 0", view(position=0), "invalid", ">= 1 - at `$.position`"),
    (
        "huge position",
        b'{"item_id": "i", "type": "view", "time": 1, "position": 1%s}' % (b"0" * 400),
        "invalid",
        "at `$.position`",
    ),
    (
        "huge number",
        b'{"item_id": "i", "type": "view", "time": 1%s}' % (b"0" * 5000),
        "invalid",
        "out of range",
    ),
    (
        "huge schema",
        b'{"item_id": "i", "type": "view", "time": 1, "schema": 1%s}' % (b"0" * 5000),
        "invalid",
        "`$.schema`",
    ),
    ("propensity 0", view(propensity=0.0), "invalid", "> 0.0 - at `$.propensity`"),
    ("far schema", view(schema=3), "schema", "schema 3 is not 1"),
    ("deep nesting", NESTED, "undecodable", "recursion"),
    ("deep JSON", b'{"x":' + b"[" * 100_000, "undecodable", "recursion"),
    ("extension type", view(value=msgpack.ExtType(5, b"x")), "invalid", "got `ext`"),
    ("claims 4 GB", view()[:-9] + b"\xdd\xff\xff\xff\xff", "invalid", "got `array`"),
    ("a map of 4 thousand million", b"\xdf\xff\xff\xff\xff", "undecodable", "truncated"),
    ("key is a number", msgpack.packb({1: 2}), "invalid", "Expected `str`, got `int`"),
    ("blanks", b"   ", "undecodable", "not JSON"),
]
BAD_ITEMS: list[tuple[str, bytes | None, str, str]] = [
    ("NaN price", item(price=math.nan), "number", "price is nan"),
    ("negative price", item(price=-1), "invalid", ">= 0.0 - at `$.price`"),
    ("infinite price", item(price=math.inf), "number", "price is inf"),
    ("NaN stock", item(stock=math.nan), "number", "stock is nan"),
    ("infinite stock", item(stock=math.inf), "number", "stock is inf"),
    ("no text", item(title="", description=" "), "empty-text", "a title or a description"),
    ("10 MB description", item(description="x" * 10**7), "too-long", "description has 10000000"),
    ("10 MB title", item(title="x" * 10**7), "too-long", "title has 10000000"),
    ("10 MB attribute", item(attributes={"a": "x" * 10**7}), "too-long", "attributes together"),
    (
        "many attributes",
        item(attributes={f"{n:05}": "x" * 45 for n in range(21)}),
        "too-long",
        "1050 characters",
    ),
    ("NaN attribute", item(attributes={"litres": math.nan}), "number", "'litres' is nan"),
    ("launch before the epoch", item(launch_time=-1e300), "time", "-1e+300 is not after"),
    ("launch at the epoch", item(launch_time=0), "time", "launch_time 0.0 is not after"),
    ("nested attribute", item(attributes={"a": [1]}), "invalid", "at `$.attributes[...]`"),
    ("long category", item(category=["x"] * 9), "invalid", "at `$.category`"),
    ("long brand", item(brand="x" * 401), "invalid", "at `$.brand`"),
    ("long currency", item(currency="EURO"), "invalid", "at `$.currency`"),
    ("launch in milliseconds", item(launch_time=NOW * 1000), "time", "more than a year ahead"),
    ("NaN launch", item(launch_time=math.nan), "number", "launch_time is nan"),
    ("NaN embedding", item(image_embedding=[0.1, math.nan]), "number", "image_embedding is nan"),
    ("huge embedding", item(image_embedding=[0.0] * 2049), "invalid", "at `$.image_embedding`"),
]


@pytest.mark.parametrize(
    ("value", "code", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in BAD_BEHAVIOUR],
)
def test_bad_behaviour_is_refused_by_itself(value: bytes | None, code: str, reason: str) -> None:
    found = refused(behaviours, value)
    assert found[0] == code
    assert reason in found[1]
    assert len(found[1]) <= MAX_REASON_CHARS


@pytest.mark.parametrize(
    ("value", "code", "reason"), [pytest.param(*case[1:], id=case[0]) for case in BAD_ITEMS]
)
def test_bad_items_are_refused_by_themselves(value: bytes | None, code: str, reason: str) -> None:
    found = refused(new_items, value)
    assert found[0] == code
    assert reason in found[1]


def encoding(**fields: Any) -> Encoding:
    given = {"kind": "review", "vector": bytes(64), **fields}
    return Encoding(time=NOW, item_id="i", text_id="t", fingerprint="f", **given)


def test_every_record_is_judged_by_its_own_time() -> None:
    times = [NOW - 3, NOW, NOW - 3, NOW - 1]
    chunk = chunk_of([view(time=time) for time in times])
    chunk.timestamps_ms = np.array([1000 * (NOW - 2), 1000 * (NOW - 2), -1, 1000 * NOW], np.int64)
    batch = behaviours.read(chunk, LIMITS)
    assert batch.offsets.tolist() == [0, 2, 3]
    (letter,) = batch.dead_letters
    assert (letter.offset, letter.code) == (1, "time")
    assert letter.reason.endswith("2 s further ahead than allowed")


@pytest.mark.parametrize(
    ("bad", "code", "reason"),
    [
        (encoding(vector=bytes(63)), "vector", "a review's vector has 63 bytes, not 64"),
        (encoding(kind="description", vector=b""), "vector", "a vector of 0 bytes"),
        (encoding(kind="description", vector=b"abc"), "vector", "a vector of 3 bytes"),
        (encoding(kind="description", vector=b"\0\x7c"), "vector", "not finite"),
        (encoding(sentiment=math.nan), "number", "sentiment is nan"),
        (encoding(sentiment=-0.01), "number", "not a probability"),
        (encoding(sentiment=1.01), "number", "not a probability"),
        (encoding(order=math.inf), "number", "order is inf"),
    ],
)
def test_bad_encodings_are_refused(bad: Encoding, code: str, reason: str) -> None:
    batch = encodings.read(chunk_of([pack(encoding()), pack(bad)]), LIMITS)
    assert batch.events == [encoding()]
    (letter,) = batch.dead_letters
    assert letter.code == code
    assert reason in letter.reason


def test_a_withdrawal_needs_no_words() -> None:
    batch = new_items.read(chunk_of([item(type="withdrawal", title="", description="")]), LIMITS)
    assert [event.type for event in batch.events] == ["withdrawal"]


def test_a_dead_letter_holds_the_record_or_says_that_it_holds_its_beginning() -> None:
    short, long = b"\xc1" * LIMITS.dead_letter_max_bytes, b"\xc1" * 1000
    whole, cut = behaviours.read(chunk_of([short, long]), LIMITS).dead_letters
    assert (whole.value, whole.value_bytes, whole.truncated) == (short, len(short), False)
    assert cut.value == long[: LIMITS.dead_letter_max_bytes]
    assert (cut.value_bytes, cut.truncated) == (1000, True)


def test_a_dead_letter_holds_the_beginning_of_a_long_key() -> None:
    chunk = chunk_of([b"\xc1", b"\xc1"])
    chunk.keys = [b"k" * 1000, None]
    cut, without = behaviours.read(chunk, LIMITS).dead_letters
    assert (cut.key, cut.truncated) == (b"k" * LIMITS.dead_letter_max_bytes, True)
    assert (without.key, without.truncated) == (None, False)
