"""A board has one history: whoever takes it over tells what was left untold, and then the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from streamer.assess import Assessor
from streamer.clock import StreamClock
from streamer.draw import draw
from streamer.errors import BrokerUnavailable
from streamer.events import LaunchRank, NewItem
from streamer.judge import Judge
from streamer.publish import Record
from streamer.ranking import Ranker
from streamer.registry import active
from streamer.settings import Settings
from streamer.state.boards import Boards, Filing
from streamer.state.connection import connected
from streamer.state.line import TITLE_CHARS
from streamer.state.store import Store
from streamer.window import Window
from tests.support.chunks import chunk_of
from tests.support.histories import START, Worker, begin, fresh_store

BOARD = "mugs"
EVER_TOLD = 7
ITEMS = [
    NewItem(item_id=name, time=START, title=name, category=[BOARD], price=5.0) for name in "abc"
]
read = msgspec.msgpack.Decoder(LaunchRank).decode


class FailingPublisher:
    """Keeps what is published, unless the broker is away."""

    def __init__(self) -> None:
        self.away = False
        self.told: list[LaunchRank] = []

    async def partitions(self, topic: str) -> int:
        return 1

    async def publish(self, topic: str, records: Iterable[Record], **_: Any) -> None:
        if self.away:
            raise BrokerUnavailable("away")
        self.told += [read(value) for _, value in records if value]


class Shelf:
    """A board of three items in a store, and rankers that decide it. ``launch-rank`` has had
    ``ever_told`` records."""

    ever_told = EVER_TOLD

    def __init__(self, store: Store) -> None:
        self.store = store
        self.boards = Boards(store.client, store.keys)
        self.publisher = FailingPublisher()

    def ranker(self) -> Ranker:
        worker = SimpleNamespace(
            settings=Settings(snapshot_every_changes=100),
            boards=self.boards,
            assess=self._assess(),
            publisher=self.publisher,
        )
        return Ranker(cast(Any, worker))

    def window(self) -> Window:
        return Window(self._assess(), self.boards, Settings().launch_window_days)

    def _assess(self) -> Assessor:
        clock = StreamClock(monotonic=lambda: 0.0)
        clock.advance(START + 3600.0)
        judge = Judge(active(Path(__file__).parents[2] / "model_store"))
        return Assessor(self.store, judge, clock, 2**20)

    async def file(self, *names: str, score: float | None = 0.5) -> None:
        await self.boards.file({BOARD: [Filing(name, 1.0, START, score) for name in names]})

    @property
    def told(self) -> list[tuple[int, bool, list[str]]]:
        """Of each message its sequence, whether it is a snapshot, and the items it names."""
        return [
            (m.sequence, m.snapshot, sorted(c.item_id for c in m.changes))
            for m in self.publisher.told
        ]


@pytest.fixture
def play(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Plays a scenario on a shelf of its own."""

    @asynccontextmanager
    async def shelf() -> Any:
        async with connected(Settings(redis=redis_url)) as client:
            store = fresh_store(client)
            await begin(store, {("items", 0): len(ITEMS)})
            await Worker(store).catalogue("items", 0, 0, ITEMS)
            yield Shelf(store)

    async def run(scenario: Callable[[Shelf], Awaitable[None]]) -> None:
        async with shelf() as opened:

            async def log_ends(broker: str, places: list[Any]) -> dict[Any, int]:
                return dict.fromkeys(places, opened.ever_told)

            monkeypatch.setattr("streamer.ranking.log_ends", log_ends)
            await scenario(opened)

    return lambda scenario: asyncio.run(run(scenario))


def test_a_decision_left_untold_is_told_first_by_whoever_comes_next(
    play: Callable[..., None],
) -> None:
    async def scenario(shelf: Shelf) -> None:
        await shelf.file("a", "b")
        shelf.publisher.away = True
        with pytest.raises(BrokerUnavailable):
            await shelf.ranker().decide(BOARD)
        shelf.publisher.away = False
        (undelivered, _) = await shelf.boards.decision(BOARD)
        assert undelivered
        await shelf.file("c")
        await shelf.ranker().decide(BOARD)
        assert shelf.publisher.told[0] == undelivered.message
        assert shelf.told == [(8, True, ["a", "b"]), (9, True, ["a", "b", "c"])]

    play(scenario)


def test_who_takes_a_board_over_tells_it_whole_beyond_all_that_was_ever_told(
    play: Callable[..., None],
) -> None:
    async def scenario(shelf: Shelf) -> None:
        await shelf.file("a")
        first = shelf.ranker()
        await first.decide(BOARD)
        await shelf.file("b")
        await first.decide(BOARD)
        assert shelf.told == [(EVER_TOLD + 1, True, ["a"]), (EVER_TOLD + 2, False, ["b"])]
        await shelf.file("c")
        await shelf.ranker().decide(BOARD)
        assert shelf.told[2:] == [(EVER_TOLD + 3, True, ["a", "b", "c"])]
        await first.decide(BOARD)
        assert shelf.told[3:] == [(EVER_TOLD + 4, True, ["a", "b", "c"])]

    play(scenario)


def test_every_round_looks_again_how_much_was_ever_told(play: Callable[..., None]) -> None:
    """Redis loses the board's decisions between two rounds, others have told more meanwhile."""

    async def scenario(shelf: Shelf) -> None:
        ranker = shelf.ranker()
        for ever_told in (EVER_TOLD, EVER_TOLD + 20):
            await shelf.store.client.delete(f"{shelf.store.keys.board(BOARD)}:decision")
            await shelf.file("a")
            shelf.ever_told = ever_told
            ranker.note(replace(chunk_of([b""]), keys=[BOARD.encode()]))
            await ranker.decide_due()
        assert shelf.told == [(EVER_TOLD + 1, True, ["a"]), (EVER_TOLD + 21, True, ["a"])]

    play(scenario)


def test_boards_that_take_long_to_decide_are_seen_to_move(play: Callable[..., None]) -> None:
    """Their chunk is done when all of them are."""

    async def scenario(shelf: Shelf) -> None:
        happened: list[str] = []
        chunk = replace(chunk_of([b""] * 20), keys=[f"{n}".encode() for n in range(20)])
        chunk.source = cast(
            Any,
            SimpleNamespace(
                processed=lambda _: None,
                moved=lambda _: happened.append("moved"),
                done=lambda _: happened.append("done"),
            ),
        )
        ranker = shelf.ranker()
        ranker.note(chunk)
        await ranker.decide_due()
        assert happened == ["moved", "moved", "moved", "done"]

    play(scenario)


def test_what_has_not_changed_is_not_told_again(play: Callable[..., None]) -> None:
    async def scenario(shelf: Shelf) -> None:
        await shelf.file("a")
        ranker = shelf.ranker()
        await ranker.decide(BOARD)
        await ranker.decide(BOARD)
        assert len(shelf.told) == 1

    play(scenario)


def test_a_board_that_has_forgotten_its_filings_believes_the_next_and_keeps_its_order(
    play: Callable[..., None],
) -> None:
    async def scenario(shelf: Shelf) -> None:
        await shelf.boards.file({BOARD: [Filing(n, 9.0, START, 0.6) for n in ("a", "b")]})
        await shelf.boards.forget_filings()
        await shelf.boards.file({BOARD: [Filing("a", 8.0, START, 0.2)]})
        assert await shelf.boards.candidates(BOARD, 9) == [("b", 0.6), ("a", 0.2)]

    play(scenario)


@pytest.mark.parametrize(
    ("filings", "stands"),
    [
        ([(1, 0, 0.2), (1, 2, 0.6), (1, 1, 0.4)], 0.6),
        ([(1, 0, 0.2), (1, 0, 0.6)], 0.6),
        ([(2, 0, 0.6), (1, 9, 0.2)], 0.6),
        ([(1, 9, 0.2), (2, 0, 0.6)], 0.6),
    ],
    ids=[
        "of one version the one of a later time",
        "of one version and time the one that comes later, by another model",
        "not an older version, however late it was scored",
        "a newer version, however early it was scored",
    ],
)
def test_of_filings_the_one_stands_that_knows_more(
    play: Callable[..., None], filings: list[tuple[float, float, float]], stands: float
) -> None:
    async def scenario(shelf: Shelf) -> None:
        for version, time, score in filings:
            await shelf.boards.file({BOARD: [Filing("a", version, START + time, score)]})
        assert await shelf.boards.candidates(BOARD, 9) == [("a", stands)]

    play(scenario)


def test_a_board_and_a_drawn_list_hold_the_beginning_of_a_title(play: Callable[..., None]) -> None:
    async def scenario(shelf: Shelf) -> None:
        endless = msgspec.structs.replace(ITEMS[0], title="杯" * 100_000, time=START + 1.0)
        await begin(shelf.store, {("more items", 0): 1})
        await Worker(shelf.store).catalogue("more items", 0, 0, [endless])
        await shelf.file("a", "b")
        await shelf.ranker().decide(BOARD)
        decision, _ = await shelf.boards.decision(BOARD)
        assert decision
        drawn = await draw(shelf.window(), BOARD, 2)
        for lines in (decision.lines, drawn.lines):
            assert {line.title for line in lines} == {"杯" * TITLE_CHARS, "b"}

    play(scenario)


def test_an_item_is_told_to_stand_where_its_board_shows_it(play: Callable[..., None]) -> None:
    """Candidates stand by the scores with which they were filed, a board by those of its decision."""

    async def scenario(shelf: Shelf) -> None:
        async def places() -> dict[str, int | None]:
            window = shelf.window()
            items = {name: await window.item(name) for name in "abc"}
            return {name: item["boards"][BOARD] for name, item in items.items() if item}

        await shelf.file("a", score=0.1)
        await shelf.file("b", score=0.2)
        assert await places() == {"a": 2, "b": 1, "c": None}
        await shelf.ranker().decide(BOARD)
        assert await places() == {"a": 1, "b": 2, "c": None}
        await shelf.file("c", score=0.9)
        assert await places() == {"a": 1, "b": 2, "c": 3}

    play(scenario)
