"""Records of an older schema are read as what they are, wherever records are read."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest

from streamer.errors import StoreMismatch
from streamer.state.kin import KinTable
from streamer.state.known import NOTHING, KnownItems, parse
from streamer.state.layout import ITEM, REVIEWS, Layout
from streamer.state.touched import touched


def next_of(layout: Layout) -> Layout:
    """The layout with one field more."""
    older = ((layout.schema, layout.fields),)
    return replace(layout, schema=layout.schema + 1, sums=("extra", *layout.sums), older=older)


NEWER, NEWER_REVIEWS = next_of(ITEM), next_of(REVIEWS)
TAIL = bytes(range(8))


@pytest.fixture(autouse=True)
def _a_newer_streamer(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("touched", "kin", "known"):
        monkeypatch.setattr(f"streamer.state.{module}.ITEM", NEWER)
    monkeypatch.setattr("streamer.state.known.REVIEWS", NEWER_REVIEWS)
    monkeypatch.setattr("streamer.state.known._AUX", NEWER.index["aux"])


def record(views: float, layout: Layout = ITEM) -> bytes:
    head = layout.heads(1)
    head["buyers"] = 2
    head["x"][0, layout.index["view"]] = views
    head["x"][0, layout.index["aux"]] = 3
    return head.tobytes() + TAIL


def test_among_touched_items() -> None:
    entries = [record(5), record(6, NEWER), [record(7), None, None, None, None]]
    found = touched(["a", "b", "c"], entries, [NOTHING] * 3, KnownItems(2**20))
    assert found.x[:, NEWER.index["view"]].tolist() == [5, 6, 7]
    assert found.x[:, NEWER.index["extra"]].tolist() == [0, 0, 0]
    assert found.heads["buyers"].tolist() == [2, 2, 2]
    assert found.tails == [TAIL] * 3


def test_beside_a_record() -> None:
    reviews = REVIEWS.heads(1)
    reviews["x"][0, REVIEWS.index["reviews"]] = 4
    early = msgpack.packb([record(8), []], use_bin_type=False)
    carried, known = parse([record(5), None, None, reviews.tobytes(), early])
    assert carried == record(5, NEWER)
    assert known.aux == 3
    assert known.reviews is not None
    assert known.reviews[NEWER_REVIEWS.index["reviews"]] == 4
    assert known.early is not None
    assert known.early.record == record(8, NEWER)


def test_among_relatives() -> None:
    table = KinTable()
    table.put(["brand:a", "brand:b", "brand:c"], [record(5), None, record(6, NEWER)])
    views = table.x[table.rows(["brand:a", "brand:b", "brand:c"]), NEWER.index["view"]]
    np.testing.assert_array_equal(views, [5, 0, 6])


def test_one_of_a_schema_that_nobody_told_of_is_refused() -> None:
    with pytest.raises(StoreMismatch, match="run the newer streamer"):
        ITEM.current([record(1, NEWER)])
