"""Records of an older schema are read as what they are, wherever records are read."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest

from streamer.errors import StoreMismatch
from streamer.state.kin import KinTable
from streamer.state.known import parse
from streamer.state.layout import ITEM, KIN, REVIEWS, Layout
from streamer.state.records import Records
from tests.support.records import stored


def next_of(layout: Layout) -> Layout:
    """The layout with one field more."""
    older = ((layout.schema, layout.fields),)
    return replace(layout, schema=layout.schema + 1, sums=("extra", *layout.sums), older=older)


NEWER, NEWER_KIN, NEWER_REVIEWS = next_of(ITEM), next_of(KIN), next_of(REVIEWS)
MEMBERS = [7, 9]
ETAG = 2**40 + 5


OLDER_ITEMS = [stored(MEMBERS, view=views, aux=3, quantity=2) for views in (5, 6, 8)]


@pytest.fixture(autouse=True)
def _a_newer_streamer(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("streamer.state.records", "tests.support.records"):
        monkeypatch.setattr(f"{module}.ITEM", NEWER)
    monkeypatch.setattr("streamer.state.kin.KIN", NEWER_KIN)
    monkeypatch.setattr("streamer.state.known.REVIEWS", NEWER_REVIEWS)


def record(views: float, layout: Layout) -> bytes:
    head = layout.heads(1)
    head["x"][0, layout.index["view"]] = views
    return head.tobytes()


def test_among_items() -> None:
    found = Records.unpacked([OLDER_ITEMS[0], stored(MEMBERS, view=7, extra=1), OLDER_ITEMS[1]])
    for name, values in {
        **{"view": [5, 7, 6], "extra": [0, 1, 0], "quantity": [2, 0, 2], "aux": [3, 0, 3]},
        "first_time": [np.inf] * 3,
    }.items():
        assert found.x[:, NEWER.index[name]].tolist() == values
    assert found.counts[:, 0].tolist() == [2, 2, 2]
    assert found.slots[:, :2].tolist() == [MEMBERS] * 3


def test_with_what_is_beside() -> None:
    reviews = REVIEWS.heads(1)
    reviews["x"][0, REVIEWS.index["reviews"]] = 4
    early = msgpack.packb([OLDER_ITEMS[2], []], use_bin_type=False)
    older = ETAG.to_bytes(8, "little") + OLDER_ITEMS[0]
    entry = parse([older, None, None, reviews.tobytes(), early])
    assert entry is not None
    assert entry.etag == ETAG
    assert entry.known.aux == 3
    assert entry.known.reviews is not None
    assert entry.known.reviews[NEWER_REVIEWS.index["reviews"]] == 4
    assert entry.known.early is not None
    found = Records.unpacked([entry.record, entry.known.early.record])
    assert found.x[:, NEWER.index["view"]].tolist() == [5, 8]


def test_among_relatives() -> None:
    table = KinTable()
    table.put(["brand:a", "brand:b", "brand:c"], [record(5, KIN), None, record(6, NEWER_KIN)])
    rows = [table.row(name) for name in ("brand:a", "brand:b", "brand:c")]
    np.testing.assert_array_equal(table.x[rows, NEWER_KIN.index["view"]], [5, 0, 6])


def test_one_of_a_schema_that_nobody_told_of_is_refused() -> None:
    with pytest.raises(StoreMismatch, match="run the newer streamer"):
        KIN.current([record(1, NEWER_KIN)])
    newest = NEWER.schema + 1
    with pytest.raises(StoreMismatch, match=f"has schema {newest}"):
        Records.unpacked([newest.to_bytes(2, "little") + stored()[2:]])
    with pytest.raises(StoreMismatch, match=r"has schema 2.* --rebuild"):
        parse([ETAG.to_bytes(8, "little") + b"\2\0" + stored()[2:], b"of old", None, None, None])
