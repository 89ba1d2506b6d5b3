"""Whatever arrives on an input topic: what can't be used is buried with the reason, its neighbours
in the same batch are applied, and the worker goes on.

A record of 10 MB is more than Kafka takes by default (its producers are then refused, and nothing
reaches a worker); here the broker takes it, as one does whose `message.max.bytes` was raised.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from streamer.events import REVIEW_DIMENSIONS, DeadLetter
from streamer.settings import Settings
from streamer.supervisor import Process
from streamer.topology import DEAD_LETTERS, ENCODINGS, ITEM_SCORES, NEW_ITEMS, USER_BEHAVIOUR
from streamer.window import open_window
from tests.support.logs import read, write
from tests.support.processes import (
    call,
    handled,
    metric,
    own_group,
    running,
    said,
    until,
    wait_until,
)

NOW = time.time()
FAR = NOW + 30 * 86400.0
SHOP, CATALOGUE = USER_BEHAVIOUR.name, NEW_ITEMS.name
LARGE_TEXT, VAST_TEXT = "long " * 190_000, "long " * 2_000_000

PURCHASE = {"item_id": "spoilt", "type": "purchase", "time": NOW, "value": 3.0}
REVIEW = {"item_id": "spoilt", "type": "review", "time": NOW, "text": "Soft and warm."}
ITEM = {"item_id": "spoilt", "time": NOW, "title": "Scarf", "price": 12.0}
ENCODED = {
    "item_id": "spoilt",
    "kind": "review",
    "text_id": "r1",
    "fingerprint": "f",
    "time": NOW,
    "vector": bytes(2 * REVIEW_DIMENSIONS),
    "sentiment": 0.5,
}


@dataclass(frozen=True)
class Bad:
    """A value that can't be used, and what its dead letter must say."""

    topic: str
    value: bytes | None
    code: str
    reason: str


def packed(event: dict[str, Any], **changes: object) -> bytes:
    """The event with some fields changed; a field that becomes ... is left out."""
    fields = {name: value for name, value in {**event, **changes}.items() if value is not ...}
    value: bytes = msgpack.packb(fields)
    return value


BAD = {
    "nothing": Bad(SHOP, None, "empty", "no value"),
    "no bytes": Bad(SHOP, b"", "empty", "no value"),
    "truncated": Bad(SHOP, packed(PURCHASE)[:-3], "undecodable", "truncated"),
    "truncated JSON": Bad(SHOP, json.dumps(PURCHASE).encode()[:-3], "undecodable", "truncated"),
    "two values": Bad(SHOP, packed(PURCHASE) * 2, "undecodable", "trailing"),
    "garbage": Bad(SHOP, b"\xc1\x00\xff", "undecodable", "malformed"),
    "nested without end": Bad(SHOP, b"\x91" * 100_000, "invalid", "array"),
    "not a map": Bad(SHOP, msgpack.packb([1, 2]), "invalid", "array"),
    "wrong type": Bad(SHOP, packed(PURCHASE, quantity="two"), "invalid", "$.quantity"),
    "no item": Bad(SHOP, packed(PURCHASE, item_id=...), "invalid", "item_id"),
    "no time": Bad(SHOP, packed(PURCHASE, time=...), "invalid", "time"),
    "empty id": Bad(SHOP, packed(PURCHASE, item_id=""), "invalid", "$.item_id"),
    "id of 1,000": Bad(SHOP, packed(PURCHASE, item_id="x" * 1000), "invalid", "$.item_id"),
    "id with spaces": Bad(SHOP, packed(PURCHASE, item_id="red scarf"), "id", "'red scarf'"),
    "id with a NUL": Bad(SHOP, packed(PURCHASE, item_id="a\0b"), "id", "unprintable"),
    "user with spaces": Bad(SHOP, packed(PURCHASE, user_id="a b"), "id", "user_id 'a b'"),
    "invalid UTF-8": Bad(
        SHOP, packed(PURCHASE).replace(b"spoilt", b"sp\xff\xfelt"), "undecodable", "utf-8"
    ),
    "invalid UTF-8 in JSON": Bad(
        SHOP, json.dumps(PURCHASE).encode().replace(b"spoilt", b"sp\xfflt"), "undecodable", "utf-8"
    ),
    "NaN quantity": Bad(SHOP, packed(PURCHASE, quantity=float("nan")), "number", "quantity is nan"),
    "endless value": Bad(SHOP, packed(PURCHASE, value=float("inf")), "number", "value is inf"),
    "huge value": Bad(SHOP, packed(PURCHASE, value=1e300), "invalid", "$.value"),
    "negative value": Bad(SHOP, packed(PURCHASE, value=-0.01), "invalid", "$.value"),
    "position beyond all": Bad(
        SHOP,
        b'{"item_id":"spoilt","type":"view","time":1.5e9,"position":1%s}' % (b"0" * 400),
        "invalid",
        "$.position",
    ),
    "NaN time": Bad(SHOP, packed(PURCHASE, time=float("nan")), "time", "nan"),
    "endless time": Bad(SHOP, packed(PURCHASE, time=float("inf")), "time", "inf"),
    "time before the epoch": Bad(SHOP, packed(PURCHASE, time=-5.0), "time", "-5"),
    "far future": Bad(SHOP, packed(PURCHASE, time=FAR), "time", "further ahead"),
    "milliseconds": Bad(SHOP, packed(PURCHASE, time=NOW * 1000), "time", "further ahead"),
    "unknown type": Bad(SHOP, packed(PURCHASE, type="teleport"), "invalid", "'teleport'"),
    "vast unknown type": Bad(SHOP, packed(PURCHASE, type="x" * 900_000), "invalid", "'xxxx"),
    "unknown schema": Bad(SHOP, packed(PURCHASE, schema=9), "schema", "schema 9"),
    "rating without rating": Bad(SHOP, packed(PURCHASE, type="rating"), "missing", "`rating`"),
    "rating off the scale": Bad(SHOP, packed(PURCHASE, rating=11.0), "invalid", "$.rating"),
    "review without text": Bad(SHOP, packed(REVIEW, text=...), "empty-text", "`text`"),
    "empty review": Bad(SHOP, packed(REVIEW, text=" \n "), "empty-text", "`text`"),
    "long review": Bad(SHOP, packed(REVIEW, text=LARGE_TEXT), "too-long", "950000 characters"),
    "review of 10 MB": Bad(SHOP, packed(REVIEW, text=VAST_TEXT), "too-long", "10000000 characters"),
    "NaN price": Bad(CATALOGUE, packed(ITEM, price=float("nan")), "number", "price is nan"),
    "negative price": Bad(CATALOGUE, packed(ITEM, price=-1.0), "invalid", "$.price"),
    "price in words": Bad(CATALOGUE, packed(ITEM, price="cheap"), "invalid", "$.price"),
    "category in one word": Bad(CATALOGUE, packed(ITEM, category="a > b"), "invalid", "$.category"),
    "item without words": Bad(CATALOGUE, packed(ITEM, title=" "), "empty-text", "a title"),
    "item from the future": Bad(CATALOGUE, packed(ITEM, time=FAR), "time", "further ahead"),
    "long description": Bad(
        CATALOGUE, packed(ITEM, description=LARGE_TEXT), "too-long", "description"
    ),
    "truncated item": Bad(CATALOGUE, packed(ITEM)[:9], "undecodable", "truncated"),
    "short vector": Bad(ENCODINGS.name, packed(ENCODED, vector=b"\0" * 7), "vector", "7 bytes"),
    "NaN sentiment": Bad(
        ENCODINGS.name, packed(ENCODED, sentiment=float("nan")), "number", "sentiment is nan"
    ),
    "unknown kind": Bad(ENCODINGS.name, packed(ENCODED, kind="poem"), "invalid", "'poem'"),
}
NEIGHBOURS: dict[str, Callable[[int], bytes]] = {
    SHOP: lambda n: packed(PURCHASE, item_id=f"bought-{n}"),
    CATALOGUE: lambda n: packed(ITEM, item_id=f"listed-{n}"),
    ENCODINGS.name: lambda n: packed(ENCODED, item_id="bought-0", text_id=f"text-{n}"),
}


@dataclass(frozen=True)
class Aftermath:
    """What a worker made of one batch per topic: each bad value between two good ones."""

    settings: Settings
    folder: Path
    worker: Process
    pid: int
    offsets: dict[str, int]
    good: dict[str, list[str]]
    letters: dict[tuple[str, int, int], DeadLetter]

    def letter(self, name: str) -> DeadLetter:
        return self.letters[self.place(name)]

    def place(self, name: str) -> tuple[str, int, int]:
        return self.settings.topic(BAD[name].topic), 0, self.offsets[name]


@pytest.fixture(scope="module")
def aftermath(
    broker_address: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Aftermath]:
    settings, folder = own_group(broker_address, redis_url), tmp_path_factory.mktemp("bad")
    with running(settings, folder, "worker") as (worker,):
        pid = worker.child.pid
        yield asyncio.run(_spoil(settings, folder, worker, pid))


async def _spoil(settings: Settings, folder: Path, worker: Process, pid: int) -> Aftermath:
    offsets: dict[str, int] = {}
    good: dict[str, list[str]] = {}

    async def spoil(topic: str) -> None:
        bad = [name for name, one in BAD.items() if one.topic == topic]
        values = [NEIGHBOURS[topic](0)]
        for number, name in enumerate(bad, start=1):
            offsets[name] = len(values)
            values += [BAD[name].value, NEIGHBOURS[topic](number)]
        good[topic] = [f"{number}" for number in range(len(bad) + 1)]
        keys = [f"key-{place}".encode() for place in range(len(values))]
        assert await write(settings, topic, list(zip(keys, values, strict=True))) == 0

    async def buried() -> bool:
        return len(await read(settings, DEAD_LETTERS.name)) >= len(BAD)

    for topic in (SHOP, CATALOGUE):
        await spoil(topic)
    async with open_window(settings) as window:
        await handled(window, sum(2 * len(some) - 1 for some in good.values()))
    await spoil(ENCODINGS.name)
    await until(buried, "every bad record buried")
    decode = msgspec.msgpack.Decoder(DeadLetter).decode
    letters = [decode(record.value) for record in await read(settings, DEAD_LETTERS.name)]
    found = {(letter.topic, letter.partition, letter.offset): letter for letter in letters}
    return Aftermath(settings, folder, worker, pid, offsets, good, found)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_buried_with_the_reason_and_its_bytes(
    aftermath: Aftermath, name: str
) -> None:
    bad, letter = BAD[name], aftermath.letter(name)
    assert letter.code == bad.code
    assert bad.reason in letter.reason
    assert len(letter.reason) <= 1000
    assert letter.key == f"key-{letter.offset}".encode()
    value, kept = bad.value or b"", letter.value or b""
    assert letter.value_bytes == len(value)
    assert letter.truncated == (len(value) > aftermath.settings.dead_letter_max_bytes)
    assert kept == value[: aftermath.settings.dead_letter_max_bytes]


def test_nothing_else_is_buried(aftermath: Aftermath) -> None:
    assert set(aftermath.letters) == {aftermath.place(name) for name in BAD}


def test_every_neighbour_is_applied(aftermath: Aftermath) -> None:
    async def totals() -> tuple[list[int], list[str | None], int]:
        async with open_window(aftermath.settings) as window:
            bought = [await window.item(f"bought-{n}") for n in aftermath.good[SHOP]]
            listed = [await window.item(f"listed-{n}") for n in aftermath.good[CATALOGUE]]
            reviewed = bought[0]
            assert reviewed
            return (
                [item["totals"]["purchase"] if item else 0 for item in bought],
                [item["title"] if item else None for item in listed],
                reviewed["reviews"]["encoded"],
            )

    purchases, titles, reviews = asyncio.run(totals())
    assert purchases == [1] * len(aftermath.good[SHOP])
    assert titles == ["Scarf"] * len(aftermath.good[CATALOGUE])
    assert reviews == len(aftermath.good[ENCODINGS.name])


def test_a_spoilt_item_is_not_known(aftermath: Aftermath) -> None:
    done = call(aftermath.settings, aftermath.folder, "item", "spoilt")
    assert done.returncode == 8
    assert done.stderr == "error: nothing is known of item spoilt\n"


def test_every_neighbour_is_scored(aftermath: Aftermath) -> None:
    scored = {r.key.decode() for r in asyncio.run(read(aftermath.settings, ITEM_SCORES.name))}
    expected = {f"bought-{n}" for n in aftermath.good[SHOP]}
    assert scored == expected | {f"listed-{n}" for n in aftermath.good[CATALOGUE]}


def test_bad_records_are_counted_by_topic_and_reason(aftermath: Aftermath) -> None:
    ports = [aftermath.worker.port]
    by_code = Counter(bad.code for bad in BAD.values())
    for code, count in by_code.items():
        assert metric(ports, "streamer_dead_letters_total", code=code) == count
    for topic, good in aftermath.good.items():
        name = aftermath.settings.topic(topic)
        dead = metric(ports, "streamer_events_total", topic=name, outcome="dead")
        assert dead == sum(bad.topic == topic for bad in BAD.values())
        applied = metric(ports, "streamer_events_total", topic=name, outcome="applied")
        assert applied == len(good)


def test_the_worker_that_met_them_still_works(aftermath: Aftermath) -> None:
    async def one_more() -> None:
        before = await read(aftermath.settings, ITEM_SCORES.name)
        await write(aftermath.settings, SHOP, [(b"k", packed(PURCHASE, item_id="late"))])

        async def told() -> bool:
            return len(await read(aftermath.settings, ITEM_SCORES.name)) > len(before)

        await until(told, "the late item scored")

    asyncio.run(one_more())
    assert aftermath.worker.child.alive
    assert aftermath.worker.child.pid == aftermath.pid


def test_dead_letters_are_listed(aftermath: Aftermath) -> None:
    rows = said(aftermath.settings, aftermath.folder, "dead-letters", "list", "--json")
    listed = {row["place"]: (row["code"], row["bytes"]) for row in rows}
    expected = {
        "/".join(map(str, aftermath.place(name))): (bad.code, len(bad.value or b""))
        for name, bad in BAD.items()
    }
    assert expected.items() <= listed.items()
    table = call(aftermath.settings, aftermath.folder, "dead-letters", "list", "--code", "schema")
    assert "schema 9 is not 1" in table.stdout
    assert table.stdout.endswith("1 × schema\n")


def test_a_dead_letter_is_shown_with_its_bytes(aftermath: Aftermath) -> None:
    place = "/".join(map(str, aftermath.place("invalid UTF-8")))
    shown = said(aftermath.settings, aftermath.folder, "dead-letters", "show", place)
    assert shown["code"] == "undecodable"
    assert shown["key"] == f"key-{aftermath.offsets['invalid UTF-8']}"
    assert bytes.fromhex(shown["value_hex"]) == BAD["invalid UTF-8"].value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nowhere"], "give TOPIC/PARTITION/OFFSET"),
        (["show", "user-behaviour/0/99"], "no such dead letter: user-behaviour/0/99"),
        (["replay"], "say which letters"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(
    aftermath: Aftermath, arguments: list[str], words: str
) -> None:
    done = call(aftermath.settings, aftermath.folder, "dead-letters", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line


@pytest.fixture(scope="module")
def fixed(aftermath: Aftermath) -> Iterator[Aftermath]:
    """After a fix: a worker that allows longer texts than the one that buried them."""
    aftermath.worker.child.stop()
    longer = {"STREAMER_MAX_TEXT_CHARS": "960000"}
    with running(aftermath.settings, aftermath.folder / "fixed", "worker", **longer):
        yield aftermath


def test_a_letter_sent_again_is_applied_and_listed_no_more(fixed: Aftermath) -> None:
    names = ["long review", "long description"]
    places = ["/".join(map(str, fixed.place(name))) for name in names]
    done = call(fixed.settings, fixed.folder, "dead-letters", "replay", *places)
    assert sorted(done.stdout.splitlines()) == sorted(f"{place}: sent again" for place in places)

    async def applied() -> bool:
        async with open_window(fixed.settings) as window:
            item = await window.item("spoilt")
            return bool(item and item["title"] and item["totals"]["review"])

    asyncio.run(until(applied, "what was sent again applied"))
    rows = said(fixed.settings, fixed.folder, "dead-letters", "list", "--json")
    assert not set(places) & {row["place"] for row in rows}


def test_one_that_is_still_bad_is_buried_again_at_its_new_place(fixed: Aftermath) -> None:
    place = "/".join(map(str, fixed.place("review of 10 MB")))
    done = call(fixed.settings, fixed.folder, "dead-letters", "replay", place)
    assert done.stdout == f"{place}: sent again\n", done.stderr

    async def again() -> bool:
        places = {record.key.decode() for record in await read_letters()}
        return len(places) > len(fixed.letters)

    async def read_letters() -> list[Any]:
        return await read(fixed.settings, DEAD_LETTERS.name)

    asyncio.run(until(again, "buried again"))
    rows = said(
        fixed.settings, fixed.folder, "dead-letters", "list", "--json", "--code", "too-long"
    )
    assert [row["bytes"] for row in rows] == [len(BAD["review of 10 MB"].value or b"")]
    assert rows[0]["place"] != place


def test_one_goes_back_to_the_partition_that_its_producer_chose(fixed: Aftermath) -> None:
    """Where an item's events lie is the producer's to say; ours would lay some of them elsewhere."""
    settings = fixed.settings
    bad = [(f"item-{n}".encode(), packed(PURCHASE, item_id=f"odd one {n}")) for n in range(8)]
    first = asyncio.run(write(settings, SHOP, bad, partition=1))
    places = [f"{settings.topic(SHOP)}/1/{first + n}" for n in range(len(bad))]

    def buried() -> bool:
        rows = said(settings, fixed.folder, "dead-letters", "list", "--json", "--code", "id")
        return set(places) <= {row["place"] for row in rows}

    wait_until(buried, "buried")
    done = call(settings, fixed.folder, "dead-letters", "replay", *places)
    assert done.stdout.count("sent again") == len(bad)
    back = [r for r in asyncio.run(read(settings, SHOP)) if (r.key, r.value) in bad]
    assert [r.partition for r in back] == [1] * 2 * len(bad)


def test_a_record_that_is_no_letter_does_not_keep_the_others_from_being_read(
    fixed: Aftermath,
) -> None:
    def listed() -> Any:
        done = call(fixed.settings, fixed.folder, "dead-letters", "list", "--json")
        assert done.returncode == 0
        return done

    before = listed()
    odd = [(b"a", b"garbage"), (None, b"\xff"), (b"b", packed(PURCHASE))]
    first = asyncio.run(write(fixed.settings, DEAD_LETTERS.name, odd))
    after = listed()
    assert after.stdout == before.stdout
    topic = fixed.settings.topic(DEAD_LETTERS.name)
    assert after.stderr.splitlines() == [
        f"{topic}/0/{first + n} is no dead letter: left out" for n in range(len(odd))
    ]
