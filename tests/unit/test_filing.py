"""Items are filed by their latest score; what is off the boards is not filed again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.chunk import Chunk
from streamer.events import NewItem
from streamer.filing import Filer
from streamer.judge import Judged
from streamer.launch.boards import EVERYTHING
from streamer.settings import Settings
from streamer.state.boards import Filing
from streamer.state.known import NOTHING, Known
from streamer.state.known import beside as columns
from streamer.state.records import Records
from streamer.state.touched import Touched
from tests.support.chunks import chunk_of
from tests.support.touching import facts_of

DAY = 86400.0
LAUNCH = 1_700_000_000.0


@dataclass
class Shelf:
    """Boards and publisher in one, which keep what they are given."""

    filed: list[dict[str, list[Filing]]] = field(default_factory=list)
    announced: list[bytes] = field(default_factory=list)
    forgotten: int = 0
    meanwhile: Callable[[], None] = lambda: None

    async def forget_filings(self) -> None:
        assert not self.filed
        self.forgotten += 1

    async def file(self, filings: Mapping[str, Sequence[Filing]]) -> None:
        self.filed.append({board: list(some) for board, some in filings.items()})
        self.meanwhile()

    async def publish(self, topic: str, records: Sequence[tuple[bytes, bytes]]) -> None:
        self.announced += [key for key, _ in records]


def filer() -> tuple[Filer, Shelf]:
    shelf = Shelf()
    return Filer(cast(Any, shelf), cast(Any, shelf), Settings()), shelf


def known(*, withdrawn: bool = False, launch: float = LAUNCH) -> Known:
    item = NewItem(item_id="i", time=launch, title="x", category=["food"])
    return Known(facts=facts_of(item, withdrawn=withdrawn))


def judged(item_id: str, beside: Known, version: float, probability: float, time: float) -> Judged:
    found = SimpleNamespace(
        items=Touched(
            [item_id], np.zeros(1, np.uint64), Records.empty(1), [beside], columns([beside])
        ),
        versions=np.array([version]),
        scores=SimpleNamespace(probability=np.array([probability])),
        time=time,
    )
    return cast(Judged, found)


def flush(filing: Filer, shelf: Shelf) -> dict[str, list[Filing]]:
    """What is filed of what was added."""
    shelf.filed.clear()
    asyncio.run(filing.flush())
    return shelf.filed[0] if shelf.filed else {}


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
    filing, shelf = filer()
    latest: dict[str, tuple[tuple[float, float], int]] = {}
    for place, (number, version, days, withdrawn) in enumerate(scores):
        age = float(version), LAUNCH + days * DAY
        filing.add(judged(f"i{number}", known(withdrawn=withdrawn), version, place / 100, age[1]))
        latest[f"i{number}"] = max((age, place), latest.get(f"i{number}", (age, place)))
    filed = flush(filing, shelf)
    assert set(filed) == {EVERYTHING, "food"}
    assert filed[EVERYTHING] == filed["food"]
    assert {f.item_id: ((f.version, f.time), f.score) for f in filed["food"]} == {
        item_id: (age, None if scores[place][3] or scores[place][2] > 56 else place / 100)
        for item_id, (age, place) in latest.items()
    }


def test_what_is_off_the_boards_is_filed_once_and_again_when_it_was_on_them_since() -> None:
    filing, shelf = filer()

    def filed(version: float, *, withdrawn: bool, everything: bool = False) -> list[float | None]:
        some = judged("i", known(withdrawn=withdrawn), version, 0.5, LAUNCH)
        filing.add(some, everything=everything)
        return [f.score for f in flush(filing, shelf).get("food", [])]

    assert filed(1, withdrawn=True) == [None]
    assert filed(2, withdrawn=True) == []
    assert filed(3, withdrawn=True, everything=True) == [None]
    assert filed(4, withdrawn=False) == [0.5]
    assert filed(5, withdrawn=True) == [None]
    assert filed(6, withdrawn=True) == []
    filing.forget()
    assert filed(7, withdrawn=True) == [None]


def test_once_items_are_lost_boards_forget_by_which_versions_they_were_filed() -> None:
    filing, shelf = filer()
    forgotten = []
    for lost in (False, True, False):
        filing.forget(lost=lost)
        filing.add(judged("i", known(), 1, 0.5, LAUNCH))
        flush(filing, shelf)
        forgotten.append(shelf.forgotten)
    assert forgotten == [0, 1, 1]


def test_what_comes_back_while_it_is_taken_off_is_taken_off_again_when_it_has_to_be() -> None:
    filing, shelf = filer()
    shelf.meanwhile = lambda: filing.add(judged("i", known(), 6, 0.5, LAUNCH))
    filing.add(judged("i", known(withdrawn=True), 5, 0.5, LAUNCH))
    assert [f.score for f in flush(filing, shelf)["food"]] == [None]
    shelf.meanwhile = lambda: None
    filing.add(judged("i", known(withdrawn=True), 7, 0.5, LAUNCH))
    assert [f.version for f in flush(filing, shelf)["food"]] == [7]


def test_what_the_catalogue_does_not_know_is_filed_nowhere() -> None:
    filing, shelf = filer()
    filing.add(judged("i", NOTHING, 1, 0.9, LAUNCH))
    assert flush(filing, shelf) == {}
    assert shelf.announced == []


def test_a_chunk_is_done_once_its_items_are_filed_and_their_boards_named() -> None:
    filing, shelf = filer()
    done: list[Chunk] = []
    chunk = chunk_of([b"x"])
    chunk.source = cast(Any, SimpleNamespace(done=done.append))
    filing.add(judged("i", known(), 1, 0.5, LAUNCH), [chunk])
    assert done == []
    flush(filing, shelf)
    assert shelf.announced == [EVERYTHING.encode(), b"food"]
    assert done == [chunk]
