"""Records of an older schema are read as what they are, wherever records are read."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest

from streamer.errors import StoreMismatch
from streamer.state.kin import KinTable
from streamer.state.known import parse, place_of
from streamer.state.layout import ITEM, KIN, REVIEWS, Layout
from streamer.state.records import Records


def next_of(layout: Layout) -> Layout:
    """The layout with one field more."""
    older = ((layout.schema, layout.fields),)
    return replace(layout, schema=layout.schema + 1, sums=("extra", *layout.sums), older=older)


NEWER, NEWER_KIN, NEWER_REVIEWS = next_of(ITEM), next_of(KIN), next_of(REVIEWS)
MEMBERS = np.array([7, 9], "<u4")
ETAG = 2**40 + 5


@pytest.fixture(autouse=True)
def _a_newer_streamer(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("records", "known"):
        monkeypatch.setattr(f"streamer.state.{module}.ITEM", NEWER)
    monkeypatch.setattr("streamer.state.kin.KIN", NEWER_KIN)
    monkeypatch.setattr("streamer.state.known.REVIEWS", NEWER_REVIEWS)
    monkeypatch.setattr("streamer.state.known._AUX_AT", place_of("aux", NEWER))


def record(views: float, layout: Layout = ITEM) -> bytes:
    head = layout.heads(1)
    head["x"][0, layout.index["view"]] = views
    if layout.lists:
        head["counts"][0, 0] = 2
        head["x"][0, layout.index["aux"]] = 3
    return head.tobytes() + (MEMBERS.tobytes() if layout.lists else b"")


def test_among_items() -> None:
    found = Records.unpacked([record(5), record(6, NEWER)])
    assert found.x[:, NEWER.index["view"]].tolist() == [5, 6]
    assert found.x[:, NEWER.index["extra"]].tolist() == [0, 0]
    assert found.counts[:, 0].tolist() == [2, 2]
    assert found.slots[:, :2].tolist() == [MEMBERS.tolist()] * 2


def test_with_what_is_beside() -> None:
    reviews = REVIEWS.heads(1)
    reviews["x"][0, REVIEWS.index["reviews"]] = 4
    early = msgpack.packb([record(8), []], use_bin_type=False)
    entry = parse([ETAG.to_bytes(8, "little") + record(5), None, None, reviews.tobytes(), early])
    assert entry is not None
    assert (entry.etag, entry.record) == (ETAG, record(5, NEWER))
    assert entry.known.aux == 3
    assert entry.known.reviews is not None
    assert entry.known.reviews[NEWER_REVIEWS.index["reviews"]] == 4
    assert entry.known.early is not None
    assert entry.known.early.record == record(8, NEWER)


def test_among_relatives() -> None:
    table = KinTable()
    table.put(["brand:a", "brand:b", "brand:c"], [record(5, KIN), None, record(6, NEWER_KIN)])
    rows = [table.row(name) for name in ("brand:a", "brand:b", "brand:c")]
    np.testing.assert_array_equal(table.x[rows, NEWER_KIN.index["view"]], [5, 0, 6])


def test_one_of_a_schema_that_nobody_told_of_is_refused() -> None:
    with pytest.raises(StoreMismatch, match="run the newer streamer"):
        ITEM.current([record(1, NEWER)])
