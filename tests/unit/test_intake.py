"""Chunks become ranges: duplicates and dead letters are told apart alike, live and read again."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.chunk import Chunk
from streamer.events import BEHAVIOUR_TYPES, Encoding
from streamer.intake import Intake
from streamer.settings import Settings
from tests.support.chunks import NOW, chunk_of, item, view

SETTINGS = Settings(duplicate_window_offsets=6, topic_names={"new-items": "shop.catalogue"})

good = st.builds(lambda n: view(event_id=f"e{n}", time=1000.0), st.integers(0, 4))
bad = st.builds(lambda n: view(event_id=f"e{n}", type="teleport"), st.integers(0, 4))


@given(
    st.lists(good | bad | st.just(view(time=1000.0)), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
    st.data(),
)
def test_a_worker_that_read_the_window_again_decides_like_one_that_never_stopped(
    values: list[bytes], cuts: list[int], data: st.DataObject
) -> None:
    def chunk(first: int, last: int) -> Chunk:
        return chunk_of(values[first:last], start=first, topic="user-behaviour")

    live, late = Intake(SETTINGS), Intake(SETTINGS)
    restart = data.draw(st.integers(0, len(values)))
    edges = sorted({0, restart, len(values), *(min(cut, len(values)) for cut in cuts)})
    for first, last in itertools.pairwise(edges):
        (taken,) = live.take([chunk(first, last)])
        mine = taken.range
        counted = len(mine.behaviour) + len(mine.duplicates) + len(taken.dead_letters)
        assert counted == last - first
        if last <= restart:
            if first >= restart - SETTINGS.duplicate_window_offsets:
                late.remember(chunk(first, last))
            elif last > restart - SETTINGS.duplicate_window_offsets:
                late.remember(chunk(restart - SETTINGS.duplicate_window_offsets, last))
        else:
            (again,) = late.take([chunk(first, last)])
            assert again.range.duplicates.tolist() == mine.duplicates.tolist()
            assert again.range.dead.tolist() == mine.dead.tolist()


@pytest.mark.parametrize("remembered", [True, False])
def test_a_dead_letter_sent_again_is_no_duplicate_of_itself(remembered: bool) -> None:
    intake = Intake(SETTINGS)
    refused = chunk_of([item(event_id="e1", price=-1)], topic="shop.catalogue")
    if remembered:
        intake.remember(refused)
    else:
        intake.take([refused])
    mended = chunk_of([item(event_id="e1", price=1)], start=1, topic="shop.catalogue")
    (taken,) = intake.take([mended])
    assert [event.price for event in taken.range.catalogue] == [1.0]
    assert not len(taken.range.duplicates)


def test_an_encoding_is_of_an_event_that_was_judged_whatever_the_time_of_who_reads_it() -> None:
    event = Encoding(
        time=9e9, item_id="i", kind="description", text_id="t", fingerprint="e", vector=b"\0\0"
    )
    chunk = chunk_of([msgspec.msgpack.encode(event)], topic="encodings")
    assert Intake(SETTINGS).encodings(chunk) == ([event], [])


TOLERANCE = SETTINGS.future_tolerance_seconds
TOPICS = ("user-behaviour", "shop.catalogue")


def refused(topic: str, time: float, *, written_at: float, read_at: float) -> bool:
    """Whether an event of that time is a dead letter; all in seconds."""
    value = (item if topic == "shop.catalogue" else view)(time=time)
    chunk = chunk_of([value], topic=topic, written_at=written_at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamer.intake.time", SimpleNamespace(time=lambda: read_at))
        (taken,) = Intake(SETTINGS).take([chunk])
    return [letter.code for letter in taken.dead_letters] == ["time"]


@given(
    st.sampled_from(TOPICS),
    st.integers(-10 * 86400, 10 * 86400),
    st.floats(0, 1e9),
)
def test_an_event_is_too_far_ahead_of_when_it_was_written_whenever_it_is_read(
    topic: str, ahead: int, later: float
) -> None:
    assert refused(topic, NOW + ahead, written_at=NOW, read_at=NOW + later) == (ahead > TOLERANCE)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("written_at", [NOW + 86400, -0.001], ids=["ahead", "without a timestamp"])
def test_where_a_record_does_not_say_when_it_was_written_the_time_of_reading_counts(
    topic: str, written_at: float
) -> None:
    for ahead in (0.0, TOLERANCE, TOLERANCE + 1, 86400.0, 400 * 86400.0):
        beyond = refused(topic, NOW + ahead, written_at=written_at, read_at=NOW)
        assert beyond == (ahead > TOLERANCE)


def test_a_window_is_not_carried_over_a_gap_or_to_a_topic_made_again() -> None:
    intake = Intake(SETTINGS)

    def duplicates(start: int, log: str = "topic") -> int:
        chunk = chunk_of([view(event_id="e1")], start=start)
        chunk.log = log
        (taken,) = intake.take([chunk])
        return len(taken.range.duplicates)

    assert duplicates(5) == 0
    assert duplicates(6) == 1
    assert duplicates(8) == 0
    assert duplicates(9, "another") == 0


def test_chunks_that_follow_one_another_are_one_range_and_their_records_are_let_go() -> None:
    intake = Intake(SETTINGS)
    first = chunk_of([view(event_id="e1"), b"?", view(event_id="e2")], start=3)
    second = chunk_of([view(event_id="e1"), view(event_id="e3")], start=6)
    other = chunk_of([view(event_id="e1")], start=3, partition=1)
    both, alone = intake.take([first, other, second])
    assert both.chunks == [first, second]
    assert (both.range.start, both.range.end) == (3, 8)
    assert [event.event_id for event in both.range.behaviour] == ["e1", "e2", "e3"]
    assert both.range.offsets.tolist() == [3, 5, 7]
    assert (both.range.duplicates.tolist(), both.range.dead.tolist()) == ([6], [4])
    assert [letter.offset for letter in both.dead_letters] == [4]
    assert (alone.range.partition, alone.range.offsets.tolist()) == (1, [3])
    assert not len(first)
    assert not len(second)


def test_reviews_and_descriptions_leave_for_the_inference_worker() -> None:
    intake = Intake(SETTINGS)
    every = [view(type=t, rating=4.0, text="Good", title="Yes") for t in BEHAVIOUR_TYPES]
    (taken,) = intake.take([chunk_of(every, start=40, topic="user-behaviour")])
    assert not taken.dead_letters
    (review,) = taken.texts
    assert (review.kind, review.text, review.item_id) == ("review", "Yes. Good", "i1")
    place = 40 + BEHAVIOUR_TYPES.index("review")
    assert review.text_id == f"user-behaviour/0/{place}"

    upserts = [item(description="From oats", time=NOW - 5), item(type="withdrawal")]
    (taken,) = intake.take([chunk_of(upserts, topic="shop.catalogue")])
    (description,) = taken.texts
    told_again = [item(description=text, event_id=text[-3:]) for text in ("From oats", "From rye")]
    (taken,) = intake.take([chunk_of(told_again, start=2, topic="shop.catalogue")])
    same, other = taken.texts
    assert same.text_id == description.text_id != other.text_id
    assert (description.kind, description.text) == ("description", "Oat milk. From oats")
    assert description.time == NOW - 5
