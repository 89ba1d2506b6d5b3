"""Records survive being packed and unpacked, and no two writes have the same etag."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import Behaviour
from streamer.state.layout import ITEM
from streamer.state.records import ETAG_BYTES, HEAD, Records, next_etag
from tests.support import histories
from tests.support.records import deltas_of

SIZE = ETAG_BYTES + HEAD.itemsize


@given(st.lists(histories.behaviours(), max_size=30), st.data())
def test_records_come_back_as_they_were(events: list[Behaviour], data: st.DataObject) -> None:
    records = deltas_of(events).records
    etag = data.draw(st.integers(1, 2**63))
    stored = records.packed(etag)
    assert {value[:ETAG_BYTES] for value in stored} <= {etag.to_bytes(ETAG_BYTES, "little")}
    found = Records.unpacked([value[ETAG_BYTES:] for value in stored])
    np.testing.assert_array_equal(found.x, records.x)
    np.testing.assert_array_equal(found.counts, records.counts)
    np.testing.assert_array_equal(found.slots, records.slots)


def test_what_is_as_nothing_had_happened_takes_no_room() -> None:
    records = Records.empty(2)
    records.x[1, ITEM.index["purchase"]] = 3
    assert [len(value) for value in records.packed(7)] == [SIZE, SIZE + 8]


def test_no_etag_is_given_out_twice_or_says_that_there_is_no_record() -> None:
    etags = [next_etag() for _ in range(1000)]
    assert len(set(etags)) == 1000
    assert all(0 < etag < 2**64 for etag in etags)
