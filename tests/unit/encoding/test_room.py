"""Room for so many texts: nobody is overtaken, nobody waits for ever."""

from __future__ import annotations

import asyncio

from streamer.encoding.room import Room
from tests.support.processes import until


async def taken(room: Room, texts: int, inside: list[int], leave: asyncio.Event) -> None:
    async with room.of(texts):
        inside.append(texts)
        await leave.wait()


def test_a_small_call_does_not_overtake_a_large_one_that_waits() -> None:
    async def scenario() -> list[int]:
        room, inside, leave = Room(10), list[int](), [asyncio.Event() for _ in range(3)]
        calls = [
            asyncio.create_task(taken(room, texts, inside, each))
            for texts, each in zip((6, 7, 2), leave, strict=True)
        ]

        async def first() -> bool:
            return inside == [6]

        await until(first, "the first inside alone")
        await asyncio.sleep(0.01)
        assert inside == [6]
        for each in leave:
            each.set()
        await asyncio.gather(*calls)
        return inside

    assert asyncio.run(scenario()) == [6, 7, 2]


def test_more_than_there_is_room_for_get_in_when_there_is_nobody_else() -> None:
    async def scenario() -> list[int]:
        room, inside, leave = Room(10), list[int](), asyncio.Event()
        first = asyncio.create_task(taken(room, 1, inside, leave))
        await asyncio.sleep(0)
        large = asyncio.create_task(taken(room, 25, inside, leave))
        await asyncio.sleep(0.01)
        assert inside == [1]
        leave.set()
        async with asyncio.timeout(5):
            await asyncio.gather(first, large)
            await taken(room, 10, inside, leave)
        return inside

    assert asyncio.run(scenario()) == [1, 25, 10]


def test_who_is_cancelled_while_waiting_leaves_room_to_the_next() -> None:
    async def scenario() -> list[int]:
        room, inside, leave = Room(10), list[int](), asyncio.Event()
        calls = [asyncio.create_task(taken(room, texts, inside, leave)) for texts in (8, 5, 2)]
        await asyncio.sleep(0.01)
        calls[1].cancel()
        await asyncio.sleep(0.01)
        assert inside == [8, 2]
        leave.set()
        await asyncio.gather(*calls, return_exceptions=True)
        return inside

    assert asyncio.run(scenario()) == [8, 2]
