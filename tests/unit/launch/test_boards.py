"""Which boards an item competes on, and from when to when it may be listed."""

from __future__ import annotations

import pytest

from streamer.events import NewItem
from streamer.launch.boards import EVERYTHING, boards_of, listable, may_be_listed
from streamer.state.known import NOTHING, Facts, Known, beside
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
    now = LAUNCH + days * DAY
    assert may_be_listed(facts(), now, 56.0) is listed
    assert listable(beside([Known(facts=facts()), NOTHING]), now, 56.0).tolist() == [listed, False]


def test_what_is_withdrawn_or_out_of_stock_is_not_listed() -> None:
    assert not may_be_listed(facts(withdrawn=True), LAUNCH, 56.0)
    assert not may_be_listed(facts(stock=0.0), LAUNCH, 56.0)
    assert may_be_listed(facts(stock=0.5), LAUNCH, 56.0)
    assert listable(beside([Known(facts=facts(stock=0.0))]), LAUNCH, 56.0).tolist() == [False]
