"""The inference service: every text is answered once, by one model, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import numpy as np
import pytest

from streamer.encoding.batcher import Priority
from streamer.encoding.cache import Encoded, MemoryCache
from streamer.encoding.forward import ModelBroken
from streamer.encoding.observer import Outcome, Silent
from streamer.encoding.projection import description_bytes, normalised
from streamer.encoding.sentiment import Head
from streamer.encoding.service import ROOM, EncodingService
from streamer.errors import BadEvent, Stalled, StreamerError
from tests.support.processes import until, wait_until
from tests.unit.encoding.fakes import (
    DIMENSIONS,
    CountingBackend,
    encoder,
    service,
    text,
    vector,
)

T = TypeVar("T")


def run(service: EncodingService, work: Coroutine[Any, Any, T]) -> T:
    async def whole() -> T:
        await service.start()
        try:
            async with asyncio.timeout(20):
                return await work
        finally:
            await service.stop()

    return asyncio.run(whole())


async def all_of(service: EncodingService, contents: list[str], kind: str = "description") -> Any:
    return await asyncio.gather(
        *(service.encode(text(each, kind)) for each in contents), return_exceptions=True
    )


def test_each_text_gets_its_own_vector_whatever_its_batch() -> None:
    mine = service(CountingBackend(streams=2))
    contents = [f"text {'x' * (i % 37)} {i}" for i in range(300)]
    found = run(mine, all_of(mine, contents))
    for content, encoding in zip(contents, found, strict=True):
        assert encoding.vector == description_bytes(normalised(vector(content)[None]))[0]
        assert (encoding.text_id, encoding.fingerprint) == (content, "fake")


def test_many_at_once_come_back_in_order_with_what_is_wrong_with_each() -> None:
    mine = service(CountingBackend())
    contents = ["<p></p>" if i % 7 == 0 else f"text {i}" for i in range(300)]
    kinds = ["review" if i % 3 else "description" for i in range(300)]
    done: list[int] = []
    found = run(mine, mine.encode_many(list(map(text, contents, kinds)), progress=done.append))
    for content, kind, each in zip(contents, kinds, found, strict=True):
        if isinstance(each, BadEvent):
            assert (content, each.code) == ("<p></p>", "empty-text")
        else:
            assert (each.text_id, each.kind) == (content, kind)
    assert sum(done) == 300
    assert len(done) > 2


def test_equal_texts_are_encoded_once() -> None:
    backend = CountingBackend()
    mine = service(backend)
    run(mine, all_of(mine, ["same", "other"] * 50))
    assert sorted(backend.texts) == ["other", "same"]


def test_a_cache_that_takes_its_time_holds_up_no_answer() -> None:
    keeping = threading.Event()

    class Slow(MemoryCache):
        def put_many(self, entries: Iterable[tuple[bytes, Encoded]]) -> None:
            assert keeping.wait(10)
            super().put_many(entries)

    backend = CountingBackend()
    serving = service(backend, cache=Slow(10))

    async def work() -> None:
        await serving.encode(text("dress"))
        keeping.set()
        await serving.encode(text("dress"))

    run(serving, work())
    assert backend.texts == ["dress"]


def test_what_was_answered_before_the_stop_reaches_a_slow_cache() -> None:
    class Slow(MemoryCache):
        def put_many(self, entries: Iterable[tuple[bytes, Encoded]]) -> None:
            time.sleep(0.05)
            super().put_many(entries)

    cache = Slow(10)
    serving = service(CountingBackend(), cache=cache)

    async def work() -> None:
        await asyncio.gather(
            serving.encode(text("dress", "description")), serving.encode(text("fits", "review"))
        )

    run(serving, work())
    assert len(cache) == 2


def test_a_cache_that_breaks_ends_the_service() -> None:
    class Broken(MemoryCache):
        def put_many(self, entries: Iterable[tuple[bytes, Encoded]]) -> None:
            raise MemoryError

    serving = service(CountingBackend(), cache=Broken(10))

    async def work() -> None:
        for number in range(100):
            await serving.encode(text(f"dress {number}"))

    with pytest.raises(StreamerError, match="the encoder broke: MemoryError"):
        run(serving, work())


def test_a_text_that_fails_alone_is_refused_and_its_neighbours_are_not() -> None:
    def before(batch: list[str]) -> None:
        if "poison" in batch:
            raise RuntimeError("can't")

    mine = service(CountingBackend(before))
    found = run(mine, all_of(mine, [*(f"t{i}" for i in range(30)), "poison"]))
    assert isinstance(found[-1], BadEvent)
    assert found[-1].code == "encoding-failed"
    assert not any(isinstance(each, Exception) for each in found[:-1])


def test_a_batch_too_large_for_memory_is_split_until_it_fits() -> None:
    def before(batch: list[str]) -> None:
        if len(batch) > 3:
            raise MemoryError

    backend = CountingBackend(before)
    mine = service(backend)
    found = run(mine, all_of(mine, [f"t{i}" for i in range(40)]))
    assert not any(isinstance(each, Exception) for each in found)
    assert max(map(len, backend.batches)) > 3


def test_a_model_that_fails_on_everything_ends_the_service() -> None:
    def before(batch: list[str]) -> None:
        raise RuntimeError("no weights")

    mine = service(CountingBackend(before))
    (found,) = run(mine, all_of(mine, ["any"]))
    assert isinstance(found, ModelBroken)


def test_a_pass_that_hangs_ends_the_service_and_every_text_hears_of_it() -> None:
    released = threading.Event()
    backend = CountingBackend(lambda batch: released.wait(10) and None)
    mine = service(backend, forward_timeout_seconds=0.2)
    found = run(mine, all_of(mine, ["a", "b"]))
    released.set()
    assert all(isinstance(each, Stalled) for each in found)


def test_numbers_that_are_not_finite_are_refused() -> None:
    mine = service(CountingBackend(scale=float("nan")))
    (found,) = run(mine, all_of(mine, ["a"]))
    assert isinstance(found, BadEvent)
    assert found.code == "not-finite"


def test_a_text_of_nothing_is_refused() -> None:
    mine = service(CountingBackend())
    (found,) = run(mine, all_of(mine, ["   "]))
    assert isinstance(found, BadEvent)
    assert found.code == "empty-text"


def test_a_description_passes_a_full_queue_of_reviews() -> None:
    backend = CountingBackend(lambda batch: time.sleep(0.005))
    mine = service(backend)

    async def work() -> int:
        reviews = asyncio.create_task(all_of(mine, [f"review {i}" for i in range(1500)], "review"))
        await asyncio.sleep(0.1)
        before = len(backend.batches)
        await mine.encode(text("new item", "description"))
        passed = len(backend.batches) - before
        await reviews
        return passed

    assert run(mine, work()) <= 4


def held_up() -> tuple[CountingBackend, threading.Event, threading.Event]:
    """A backend whose passes wait; an event that says that one does, and one that lets them go."""
    entered, released = threading.Event(), threading.Event()

    def before(batch: list[str]) -> None:
        entered.set()
        released.wait(10)

    return CountingBackend(before), entered, released


def test_batch_follows_batch_while_the_event_loop_is_busy() -> None:
    backend, entered, released = held_up()
    mine = service(backend)

    def seen() -> int:
        return sum(map(len, backend.batches))

    async def all_wait() -> bool:
        return len(mine._pipeline._batcher) + seen() == 200

    async def work() -> None:
        encoding = asyncio.create_task(all_of(mine, [f"text {i}" for i in range(200)]))
        await asyncio.to_thread(entered.wait, 10)
        await until(all_wait, "every text ready for a batch")
        released.set()
        wait_until(lambda: seen() == 200, "every text through the backend, the loop kept busy")
        await encoding

    run(mine, work())
    assert len(backend.batches) > 3


def test_callers_beyond_its_room_wait_outside() -> None:
    backend, entered, released = held_up()
    mine = service(backend)

    async def work() -> int:
        tasks = [
            asyncio.create_task(mine.encode(text(f"t{i}", "review"))) for i in range(ROOM + 500)
        ]
        await asyncio.to_thread(entered.wait, 10)
        await asyncio.sleep(0.2)
        inside = len(mine._pipeline._outstanding)
        released.set()
        await asyncio.gather(*tasks)
        return inside

    assert run(mine, work()) <= ROOM


class Counting(Silent):
    """Counts texts by what became of them, and those of forward passes."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.computed = self.inside = 0

    def answered(self, *, priority: Priority, outcome: Outcome, texts: int, seconds: float) -> None:
        self.outcomes[outcome] += texts

    def batch(self, *, texts: int, tokens: int, computed: int, seconds: float) -> None:
        self.computed += texts

    def waiting(self, *, texts: int) -> None:
        self.inside = texts


def test_what_everyone_has_cancelled_is_not_encoded() -> None:
    backend, entered, released = held_up()
    counting = Counting()
    mine = service(backend, observer=counting)

    async def queued(texts: int) -> None:
        async def so() -> bool:
            return len(mine._pipeline._batcher) == texts

        await until(so, f"{texts} texts wait for a batch")

    async def work() -> None:
        first = asyncio.create_task(mine.encode(text("first")))
        await asyncio.to_thread(entered.wait, 10)
        given_up = [asyncio.create_task(mine.encode(text(f"t{i}"))) for i in range(100)]
        by_one = asyncio.create_task(mine.encode(text("by one")))
        await queued(101)
        kept = asyncio.create_task(mine.encode(text("by one")))
        unprepared = asyncio.create_task(mine.encode(text("unprepared")))
        await asyncio.sleep(0.01)
        for task in (*given_up, by_one, unprepared):
            task.cancel()
        await asyncio.sleep(0.05)
        assert counting.inside == 2
        released.set()
        await asyncio.gather(first, kept)
        await mine.encode(text("t7"))

    run(mine, work())
    assert sorted(backend.texts) == ["by one", "first", "t7"]
    assert counting.outcomes == {"encoded": 3}
    assert counting.computed == 3


def test_a_stop_ends_also_those_who_wait_outside_and_who_come_later() -> None:
    backend, entered, released = held_up()
    mine = service(backend)

    async def work() -> list[Any]:
        await mine.start()
        tasks = [asyncio.create_task(mine.encode(text(f"t{i}"))) for i in range(ROOM + 500)]
        await asyncio.to_thread(entered.wait, 10)
        released.set()
        await mine.stop()
        tasks.append(asyncio.create_task(mine.encode(text("late"))))
        async with asyncio.timeout(10):
            return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(work())
    assert any(isinstance(each, asyncio.CancelledError) for each in found[ROOM:-1])
    assert isinstance(found[-1], asyncio.CancelledError)


def test_a_swap_loses_no_text_mixes_no_model_and_stalls_nothing() -> None:
    """Texts keep coming while the encoder changes, twice."""
    backends = [CountingBackend(lambda batch: time.sleep(0.002), streams=2) for _ in range(3)]
    mine = EncodingService(encoder(backends[0], "m0"), batch_tokens=200, deadline_seconds=0.002)
    arrivals: list[tuple[float, str]] = []

    async def one(i: int) -> Any:
        found = await mine.encode(text(f"text {i}", "review", text_id=str(i)))
        arrivals.append((time.monotonic(), found.fingerprint))
        return found

    async def work() -> list[Any]:
        tasks = []
        for i in range(1500):
            tasks.append(asyncio.create_task(one(i)))
            if i in (500, 1000):
                mine.swap(encoder(backends[i // 500], f"m{i // 500}"))
            if i % 5 == 0:
                await asyncio.sleep(0.001)
        return await asyncio.gather(*tasks)

    found = run(mine, work())
    assert [each.text_id for each in found] == [str(i) for i in range(1500)]
    assert [each.fingerprint for each in found[:100]] == ["m0"] * 100
    assert found[-1].fingerprint == "m2"
    counted = {name: sum(each.fingerprint == name for each in found) for name in ("m0", "m1", "m2")}
    assert all(counted.values())
    for number, backend in enumerate(backends):
        assert len(backend.texts) == counted[f"m{number}"]
    gaps = np.diff([at for at, _ in arrivals])
    assert gaps.max() < 1.0


def test_a_text_in_a_language_the_encoder_does_not_know_is_not_judged() -> None:
    head = Head(np.ones(DIMENSIONS, np.float32), 0.0)
    whole = encoder(CountingBackend(), head=head)
    mine = EncodingService(whole, batch_tokens=200, deadline_seconds=0.002)
    known, foreign = run(mine, all_of(mine, ["good", "很好"], "review"))
    assert known.sentiment is not None
    assert foreign.sentiment is None
    assert foreign.vector


@pytest.mark.parametrize("priority", list(Priority))
def test_every_priority_is_answered(priority: Priority) -> None:
    mine = service(CountingBackend())
    found = run(mine, mine.encode(text("a"), priority=priority))
    assert found.vector
