"""Which boards an item competes on, and from when to when it may be listed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import NewItem
from streamer.filing import Scored, filings
from streamer.launch.boards import EVERYTHING, boards_of, may_be_listed
from streamer.state.known import Facts
from tests.support.touching import facts_of

DAY = 86400.0
LAUNCH = 1_700_000_000.0


def facts(
    *, withdrawn: bool = False, category: tuple[str, ...] = ("food",), **fields: float
) -> Facts:
    item = NewItem(item_id="i", time=LAUNCH, title="x", category=list(category), **fields)
    return facts_of(item, withdrawn=withdrawn)


def test_an_item_is_on_the_board_of_its_widest_class_and_on_that_of_everything() -> None:
    assert boards_of(facts(category=("food", "drinks"))) == (EVERYTHING, "food")
    assert boards_of(facts(category=())) == (EVERYTHING,)


def test_a_class_without_a_name_has_no_board() -> None:
    assert boards_of(facts(category=("", " "))) == (EVERYTHING,)
    assert boards_of(facts(category=(" ", "drinks"))) == (EVERYTHING, "drinks")


def test_a_class_of_the_name_of_the_board_of_all_items_has_no_other() -> None:
    assert boards_of(facts(category=(EVERYTHING,))) == (EVERYTHING,)


@pytest.mark.parametrize(
    ("days", "listed"), [(-0.001, False), (0, True), (55.9, True), (56, True), (56.001, False)]
)
def test_an_item_is_listed_within_its_launch_window(days: float, listed: bool) -> None:
    assert may_be_listed(facts(), LAUNCH + days * DAY, 56.0) is listed


def test_what_is_withdrawn_or_out_of_stock_is_not_listed() -> None:
    assert not may_be_listed(facts(withdrawn=True), LAUNCH, 56.0)
    assert not may_be_listed(facts(stock=0.0), LAUNCH, 56.0)
    assert may_be_listed(facts(stock=0.5), LAUNCH, 56.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 5), st.floats(0, 60), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_an_item_is_filed_by_its_latest_score_and_a_withdrawn_one_without(
    scores: list[tuple[int, int, float, bool]],
) -> None:
    scored = [
        Scored(
            ids=[f"i{number}"],
            facts=[facts(withdrawn=withdrawn)],
            versions=np.array([float(version)]),
            probability=np.array([place / 100]),
            time=LAUNCH + days * DAY,
        )
        for place, (number, version, days, withdrawn) in enumerate(scores)
    ]
    filed = filings(scored, 56.0)
    assert set(filed) == {EVERYTHING, "food"}
    assert filed[EVERYTHING] == filed["food"]
    by_item = {filing.item_id: filing for filing in filed["food"]}
    assert len(by_item) == len(filed["food"])
    for number in {number for number, *_ in scores}:
        mine = [(s.age(0), p) for p, s in enumerate(scored) if s.ids == [f"i{number}"]]
        age, place = max(mine)
        filing = by_item[f"i{number}"]
        assert (filing.version, filing.time) == age
        _, _, days, withdrawn = scores[place]
        assert filing.score == (None if withdrawn or days > 56 else place / 100)


def test_what_the_catalogue_does_not_know_is_filed_nowhere() -> None:
    unknown = Scored(["i"], [None], np.array([1.0]), np.array([0.9]), LAUNCH)
    assert filings([unknown], 56.0) == {}
