"""A partition is never committed past a chunk that is not done, in whatever order chunks finish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streamer.chunk import Chunk
from streamer.lane import MAX_CHUNKS, Lane

MAX_RECORDS, MAX_BYTES = 20, 100


@dataclass
class Issued:
    chunk: Chunk
    processed: bool = False
    done: bool = False

    @property
    def bytes(self) -> int:
        return sum(len(value) for value in self.chunk.values if value)


class Partition(RuleBasedStateMachine):
    """A lane beside a list of everything that was ever issued."""

    def __init__(self) -> None:
        super().__init__()
        self.lane = Lane("log", 5, 5, MAX_RECORDS, MAX_BYTES)
        self.issued: list[Issued] = []
        self.committed = 5

    @precondition(lambda self: self.lane.has_room())
    @rule(
        values=st.lists(st.none() | st.binary(max_size=60), min_size=1, max_size=25),
        holes=st.integers(0, 9),
    )
    def issue(self, values: list[bytes | None], holes: int) -> None:
        start = self.lane.position
        offsets = np.arange(start, start + len(values))
        chunk = Chunk(
            "topic",
            0,
            "log",
            start,
            start + len(values) + holes,
            offsets,
            offsets,
            [None] * len(values),
            values,
        )
        self.lane.issue(chunk)
        self.issued.append(Issued(chunk))
        assert self.lane.position == chunk.end

    @precondition(lambda self: self.issued)
    @rule(data=st.data())
    def process(self, data: st.DataObject) -> None:
        issued = data.draw(st.sampled_from(self.issued))
        self.lane.processed(issued.chunk.start)
        issued.processed = True

    @precondition(lambda self: self.issued)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        issued = data.draw(st.sampled_from(self.issued))
        self.lane.done(issued.chunk.start)
        issued.processed = issued.done = True

    @rule()
    def commit(self) -> None:
        offset = self.lane.committable()
        first = next((i.chunk.start for i in self.issued if not i.done), self.lane.position)
        if first == self.committed:
            assert offset is None
        else:
            assert offset == first
            self.committed = first
        assert self.lane.committable() is None

    @invariant()
    def the_first_unfinished_offset_is_known(self) -> None:
        unfinished = [i.chunk.start for i in self.issued if not i.done]
        assert self.lane.unfinished == min([*unfinished, self.lane.position])
        assert self.lane.finished == self.lane.unfinished
        assert self.lane.in_flight == len(unfinished)

    @invariant()
    def room_is_what_is_not_processed(self) -> None:
        waiting = [i for i in self.issued if not i.processed]
        assert self.lane.records == sum(len(i.chunk) for i in waiting)
        assert self.lane.bytes == sum(i.bytes for i in waiting)
        full = self.lane.records >= MAX_RECORDS or self.lane.bytes >= MAX_BYTES
        assert self.lane.has_room() == (not waiting or (len(waiting) < MAX_CHUNKS and not full))


TestPartition = Partition.TestCase


def test_a_record_larger_than_the_room_passes_alone() -> None:
    lane = Lane("log", 0, 0, MAX_RECORDS, MAX_BYTES)
    offsets = np.array([0])
    chunk = Chunk("topic", 0, "log", 0, 1, offsets, offsets, [None], [bytes(10 * MAX_BYTES)])
    assert lane.has_room()
    lane.issue(chunk)
    assert not lane.has_room()
    lane.processed(0)
    assert lane.has_room()
    assert lane.committable() is None
    lane.done(0)
    assert lane.committable() == 1


def test_reading_on_without_records_is_a_move() -> None:
    lane = Lane("log", 0, 0, MAX_RECORDS, MAX_BYTES)
    lane.moved_at = 0.0
    lane.read_to(0)
    assert lane.moved_at == 0.0
    lane.read_to(7)
    assert lane.moved_at > 0
    assert lane.unfinished == 7
    assert lane.finished == 0
