"""Ranking: the best candidates whatever their order, and changes that rebuild the board."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from streamer.events import RankChange
from streamer.launch.policy import RESCORED, Candidate, as_told, changes, rank, snapshot
from streamer.state.line import Line

candidates = st.builds(
    Candidate,
    item_id=st.integers(0, 30).map(lambda n: f"i{n}"),
    probability=st.sampled_from([0.1, 0.5, 0.5001, 0.9]) | st.floats(0, 1),
    stage=st.sampled_from(["cold", "warming", "warm"]),
    reason=st.sampled_from(["▲ bought often", ""]),
    title=st.just("title"),
)
fields = st.lists(candidates, max_size=12, unique_by=lambda candidate: candidate.item_id)


@given(fields, fields, st.randoms(use_true_random=False), st.integers(1, 8))
def test_the_order_of_candidates_does_not_matter(
    some: list[Candidate], earlier: list[Candidate], rng: object, size: int
) -> None:
    before = rank(earlier, [], size)
    shuffled = list(some)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rank(shuffled, before, size) == rank(some, before, size)


@given(fields, fields, st.integers(1, 8))
def test_a_board_is_the_best_candidates_in_order(
    some: list[Candidate], earlier: list[Candidate], size: int
) -> None:
    before = rank(earlier, [], size)
    after = rank(some, before, size)
    assert [line.rank for line in after] == list(range(1, min(size, len(some)) + 1))
    places = [(-line.probability, line.item_id) for line in after]
    assert places == sorted(places)
    listed = {line.item_id for line in after}
    left_out = [c for c in some if c.item_id not in listed]
    if left_out:
        assert len(after) == size
        assert min(line.probability for line in after) >= max(c.probability for c in left_out)
    old = {line.item_id: line.rank for line in before}
    assert all(line.previous_rank == old.get(line.item_id) for line in after)


def applied(board: list[Line], told: list[RankChange]) -> dict[str, tuple[int, float]]:
    """The board of a reader that had the old one and is told the changes."""
    return followed({line.item_id: (line.rank, line.probability) for line in board}, told)


def followed(
    lines: dict[str, tuple[int, float]], told: list[RankChange]
) -> dict[str, tuple[int, float]]:
    lines = dict(lines)
    for change in told:
        if change.change == "left":
            del lines[change.item_id]
        else:
            assert change.rank is not UNSET
            assert change.probability is not UNSET
            lines[change.item_id] = (change.rank, change.probability)
    return lines


@given(fields, fields, st.integers(1, 8))
def test_a_reader_that_is_told_the_changes_has_the_new_board(
    earlier: list[Candidate], some: list[Candidate], size: int
) -> None:
    before = rank(earlier, [], size)
    after = rank(some, before, size)
    told = changes(before, after)
    reader = applied(before, told)
    assert {item: place for item, (place, _) in reader.items()} == {
        line.item_id: line.rank for line in after
    }
    for line in after:
        assert abs(reader[line.item_id][1] - line.probability) < RESCORED
    whole = snapshot(after, before)
    assert [change.item_id for change in whole] == [line.item_id for line in after]
    assert applied([], whole) == {line.item_id: (line.rank, line.probability) for line in after}
    old = {line.item_id: line.rank for line in before}
    for change in told + whole:
        assert change.previous_rank == old.get(change.item_id, UNSET)
        if change.change == "entered":
            assert change.item_id not in old
        elif change.change != "left":
            assert (change.change == "kept") == (change.rank == change.previous_rank)


@given(st.lists(fields, min_size=2, max_size=6), st.integers(1, 8))
def test_a_reader_has_what_was_decided_after_any_number_of_small_moves(
    rounds: list[list[Candidate]], size: int
) -> None:
    board: list[Line] = []
    reader: dict[str, tuple[int, float]] = {}
    for some in rounds:
        after = rank(some, board, size)
        told = changes(board, after)
        if told:
            reader, board = followed(reader, told), as_told(board, after)
        assert {item: rank for item, (rank, _) in reader.items()} == {
            line.item_id: line.rank for line in board
        }
        if told:
            assert [line.probability for line in board] == [line.probability for line in after]
        for line in after:
            assert abs(reader[line.item_id][1] - line.probability) < RESCORED


def test_moves_too_small_to_be_told_add_up_until_they_are() -> None:
    """While another line is told in every round."""

    def found(item_id: str, probability: float) -> Candidate:
        return Candidate(item_id, probability, "warm", "", "title")

    board = rank([found("restless", 0.9), found("drifting", 0.1)], [], 2)
    reader = applied([], snapshot(board, []))
    for step in range(1, 20):
        drifted = 0.1 + step * RESCORED / 3
        some = [found("restless", 0.9 - 0.02 * (step % 2)), found("drifting", drifted)]
        after = rank(some, board, 2)
        told = changes(board, after)
        assert told
        reader, board = followed(reader, told), as_told(board, after)
        assert abs(reader["drifting"][1] - drifted) < RESCORED


@given(fields, st.integers(1, 8))
def test_nothing_is_told_of_a_board_that_stays(some: list[Candidate], size: int) -> None:
    board = rank(some, [], size)
    assert changes(board, rank(some, board, size)) == []
    nearly = [
        Line(b.item_id, b.rank, b.probability + RESCORED / 2, b.stage, "other", b.title, b.rank)
        for b in board
    ]
    assert changes(board, nearly) == []
