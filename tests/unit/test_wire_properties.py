"""Properties of reading: round trips, neighbours that don't matter, nothing that ever raises."""

from __future__ import annotations

import random
from typing import Any

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import BadEvent
from streamer.events import Behaviour, Encoding, NewItem, Text
from streamer.wire import behaviours, board_names, encodings, new_items, pack, texts
from tests.support import histories
from tests.support.chunks import LIMITS, NOW, chunk_of, item, view


def _json(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


READERS = {"new-items": new_items, "behaviour": behaviours, "texts": texts, "encodings": encodings}
VALID: dict[str, list[bytes]] = {
    "new-items": [
        item(category=["food", "drinks"], price=2.49, currency="EUR", attributes={"litres": 1.0}),
        _json(item_id="i2", time=NOW, type="withdrawal"),
    ],
    "behaviour": [
        view(user_id="u", session="s", position=3, channel="web", propensity=0.5, event_id="e1"),
        view(type="review", rating=4.0, text="good", title="nice", language="en"),
        _json(item_id="i", type="purchase", time=NOW, value=9.99),
    ],
    "texts": [pack(Text(time=NOW, item_id="i", kind="review", text_id="r", text="good"))],
    "encodings": [
        pack(
            Encoding(
                time=NOW, item_id="i", kind="review", text_id="r", fingerprint="f", vector=bytes(64)
            )
        ),
        pack(
            Encoding(
                time=NOW,
                item_id="i",
                kind="description",
                text_id="d",
                fingerprint="f",
                vector=b"ab",
            )
        ),
    ],
}


EVERY_VALUE = [value for values in VALID.values() for value in values]


def test_what_is_valid_is_read() -> None:
    for name, values in VALID.items():
        batch = READERS[name].read(chunk_of(values), LIMITS)
        assert not batch.dead_letters
        assert len(batch.events) == len(values)


@given(histories.behaviours())
def test_behaviour_survives_both_encodings(event: Behaviour) -> None:
    packed, text = pack(event), msgspec.json.encode(event)
    assert behaviours.decode(packed) == behaviours.decode(text) == event


@given(histories.new_items())
def test_items_survive_both_encodings(event: NewItem) -> None:
    packed, text = pack(event), msgspec.json.encode(event)
    assert new_items.decode(packed) == new_items.decode(text) == event


@given(st.text(), st.text(), st.sampled_from(["description", "review"]), st.floats(0, 2**53))
def test_texts_survive(text: str, text_id: str, kind: Any, order: float) -> None:
    event = Text(time=NOW, item_id="i", kind=kind, text_id=text_id, text=text, order=order)
    assert texts.decode(pack(event)) == event


@given(st.binary(min_size=64, max_size=64), st.none() | st.floats(0, 1))
def test_encodings_survive(vector: bytes, sentiment: float | None) -> None:
    event = Encoding(
        time=NOW,
        item_id="i",
        kind="review",
        text_id="t",
        fingerprint="f",
        vector=vector,
        sentiment=sentiment,
    )
    assert encodings.decode(pack(event)) == event


def test_a_newer_producer_may_add_fields_and_an_older_one_leave_them_out() -> None:
    newer = view(schema=2, mood={"deep": [1, None, {"x": b"y"}]})
    older = msgpack.packb({"item_id": "i1", "type": "view", "time": NOW - 60, "schema": 0})
    first, second = behaviours.read(chunk_of([newer, older]), LIMITS).events
    assert (first.schema, second.schema) == (2, 0)
    first.schema = second.schema = 1
    assert first == second == Behaviour(item_id="i1", type="view", time=NOW - 60)
    assert second.quantity == 1.0
    assert second.user_id is None


@pytest.mark.parametrize("blank", [b"", b" ", b"\n\t", b"\r\n"])
def test_json_is_known_by_its_first_byte(blank: bytes) -> None:
    text = blank + _json(item_id="i", type="view", time=1.5)
    (event,) = behaviours.read(chunk_of([text]), LIMITS).events
    assert event == Behaviour(item_id="i", type="view", time=1.5)


bad_or_good = st.sampled_from(
    [
        *VALID["behaviour"],
        view(type="purchase", value=-1),
        view(time=NOW + 1),
        view(item_id="a b"),
        view(schema=9),
        view(type="review"),
        view(quantity=0.0),
        b"\xc1",
        None,
    ]
)


@given(st.lists(bad_or_good, max_size=8))
def test_what_becomes_of_a_record_does_not_depend_on_its_neighbours(
    values: list[bytes | None],
) -> None:
    together = behaviours.read(chunk_of(values), LIMITS)
    alone = [behaviours.read(chunk_of([v], start=i), LIMITS) for i, v in enumerate(values)]
    assert together.events == [event for batch in alone for event in batch.events]
    offsets = [offset for batch in alone for offset in batch.offsets.tolist()]
    assert together.offsets.tolist() == offsets
    dead = {letter.offset: letter.reason for letter in together.dead_letters}
    assert dead == {d.offset: d.reason for batch in alone for d in batch.dead_letters}
    assert sorted([*dead, *offsets]) == list(range(len(values)))


@given(st.binary(max_size=60))
def test_random_bytes_are_refused_and_raise_nothing_else(value: bytes) -> None:
    for reader in READERS.values():
        with pytest.raises(BadEvent):
            reader.decode(value)
        assert len(reader.read(chunk_of([value]), LIMITS).dead_letters) == 1


def test_a_flipped_cut_or_swollen_message_is_read_or_refused() -> None:
    rng = random.Random(20_000)
    mutants = [_mutated(rng.choice(EVERY_VALUE), rng) for _ in range(5_000)]
    for reader in READERS.values():
        batch = reader.read(chunk_of(mutants), LIMITS)
        assert len(batch.events) + len(batch.dead_letters) == len(mutants)
        assert all(letter.reason for letter in batch.dead_letters)
        assert np.isfinite([event.time for event in batch.events]).all()


def _mutated(value: bytes, rng: random.Random) -> bytes:
    changed = bytearray(value)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.choice(b"\x00\x7f\x80\xc0\xc1\xca\xcb\xd9\xdd\xdf\xff{[")
            case 2:
                del changed[at : at + rng.randint(1, 8)]
            case 3:
                changed[at:at] = rng.randbytes(rng.randint(1, 8))
        changed = changed or bytearray(b"\x00")
    return bytes(changed)


def test_boards_are_named_by_keys_alone() -> None:
    chunk = chunk_of([None, b"anything", b""])
    chunk.keys = [b"food", None, "Käse".encode("latin-1")]
    assert board_names(chunk) == ["food", "K\N{REPLACEMENT CHARACTER}se"]
