"""The stages between a request and its answer, on the event loop and on threads."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock

from streamer.encoding.batcher import Batcher, LaneKey, Limits, Priority
from streamer.encoding.cache import Cache, Encoded
from streamer.encoding.encoder import Encoder
from streamer.encoding.forward import Result, forward
from streamer.encoding.model import Model
from streamer.encoding.observer import Observer
from streamer.encoding.prepare import Prepared, prepare
from streamer.encoding.work import Call, Request, Work
from streamer.errors import BadEvent, Stalled, StreamerError

PREPARE_TEXTS = 256


@dataclass(slots=True)
class _Stream:
    """A thread that encodes: the batch that it is at, and since when."""

    batch: list[Work]
    began: float


class Pipeline:
    """Answers requests in batches.

    ``limits`` shape the batches; a forward pass that takes longer than
    ``forward_timeout_seconds`` hangs, and breaks the pipeline: ``failure`` then says why, and
    every call gets it.
    """

    def __init__(
        self,
        encoder: Encoder,
        limits: Limits,
        cache: Cache,
        observer: Observer,
        forward_timeout_seconds: float,
    ) -> None:
        self.encoder = encoder
        self.failure: StreamerError | None = None
        self._cache, self._observer = cache, observer
        self._timeout = forward_timeout_seconds
        self._batcher, self._batching = Batcher[Work](limits), Lock()
        self._inbox = {priority: deque[Request]() for priority in Priority}
        self._outstanding: set[Call] = set()
        self._waiting = 0
        self._underway: dict[bytes, Work] = {}
        self._arrived, self._gathered = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads: set[ThreadPoolExecutor] = set()
        self._preparing = ThreadPoolExecutor(1)
        self._stopping = False

    def start(self) -> None:
        self._run(self._prepare, self._preparing)
        self._run_streams()

    def swap(self, encoder: Encoder, limits: Limits) -> None:
        """Texts prepared from now on go through ``encoder``; the old one's streams end after
        the batch they are at, and the new streams encode what was prepared for it."""
        self.encoder = encoder
        self._batcher.limits = limits
        self._run_streams()

    def _run_streams(self) -> None:
        for _ in range(self.encoder.streams):
            self._run(partial(self._forward, self.encoder), ThreadPoolExecutor(1))

    def _run(
        self,
        stage: Callable[[ThreadPoolExecutor], Coroutine[None, None, None]],
        thread: ThreadPoolExecutor,
    ) -> None:
        task = asyncio.create_task(stage(thread))
        self._threads.add(thread)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, thread))

    async def stop(self) -> None:
        """Lets running batches end, and what was answered reach the cache; calls that are left are
        cancelled."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        hung = isinstance(self.failure, Stalled)
        for thread in self._threads:
            await asyncio.to_thread(thread.shutdown, wait=not hung)
        for call in list(self._outstanding):
            call.future.cancel()

    def submit(self, call: Call, requests: Sequence[Request]) -> None:
        """The call's future will be done: answered, failed or cancelled. ``requests`` are its texts, of
        one priority."""
        if self._stopping:
            call.future.cancel()
            return
        self._outstanding.add(call)
        self._waiting += call.texts
        call.future.add_done_callback(partial(self._done, call))
        self._inbox[requests[0].priority].extend(requests)
        self._observer.waiting(texts=self._waiting)
        self._arrived.set()

    def _done(self, call: Call, future: asyncio.Future[object]) -> None:
        self._outstanding.discard(call)
        self._waiting -= call.texts
        self._observer.waiting(texts=self._waiting)

    async def _prepare(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            requests = self._unpack_inbox()
            for kind in ("description", "review"):
                chosen = [request for request in requests if request.kind == kind]
                if chosen:
                    model, started = self.encoder.model(kind), time.monotonic()
                    prepared = await loop.run_in_executor(
                        thread, prepare, model, chosen, self._cache
                    )
                    seconds = time.monotonic() - started
                    self._observer.prepared(texts=len(chosen), seconds=seconds)
                    self._gather(model, chosen, prepared)

    def _unpack_inbox(self) -> list[Request]:
        requests: list[Request] = []
        for _, box in sorted(self._inbox.items()):
            while box and len(requests) < PREPARE_TEXTS:
                request = box.popleft()
                if not request.call.future.done():
                    requests.append(request)
        if not any(self._inbox.values()):
            self._arrived.clear()
        return requests

    def _gather(
        self, model: Model, requests: Sequence[Request], prepared: Sequence[Prepared]
    ) -> None:
        fresh: list[Work] = []
        for request, result in zip(requests, prepared, strict=True):
            if isinstance(result, BadEvent):
                request.refuse(result)
            elif isinstance(result, Encoded):
                request.answer(result, model, "cached")
            else:
                fresh.append(result)
        with self._batching:
            for work in fresh:
                self._add(work)
        self._gathered.set()

    def _add(self, work: Work) -> None:
        twin = self._underway.get(work.key)
        if twin and twin.priority <= work.priority:
            twin.requests.extend(work.requests)
        else:
            self._underway[work.key] = work
            self._batcher.add(LaneKey(work.priority, (work.model, work.kind)), work)

    async def _forward(self, encoder: Encoder, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while self.encoder is encoder:
            stream = _Stream(await self._next_batch(), time.monotonic())
            running = loop.run_in_executor(thread, self._encode, encoder, stream, loop)
            while not running.done():
                patience = self._timeout - (time.monotonic() - stream.began)
                if patience <= 0:
                    raise Stalled(
                        f"a forward pass of {len(stream.batch)} texts hangs for "
                        f"{self._timeout:.0f} s; restart the encoder"
                    )
                await asyncio.wait([running], timeout=patience)
            running.result()

    def _encode(self, encoder: Encoder, stream: _Stream, loop: asyncio.AbstractEventLoop) -> None:
        """On a stream's thread: a batch, and as long as others are ready, these, without waiting for
        the event loop in between."""
        batch: list[Work] | None = stream.batch
        while batch and not self._stopping:
            stream.batch, stream.began = batch, time.monotonic()
            results = forward(batch[0].model, batch, self._observer.split)
            seconds = time.monotonic() - stream.began
            loop.call_soon_threadsafe(self._settle, batch, results, seconds)
            batch = self._ready_batch() if self.encoder is encoder else None

    def _ready_batch(self) -> list[Work] | None:
        with self._batching:
            while taken := self._batcher.take(time.monotonic()):
                if batch := self._wanted(taken[1]):
                    return batch
        return None

    def _wanted(self, batch: Sequence[Work]) -> list[Work]:
        """Without the texts that everyone has cancelled. Who asks for one again begins anew."""
        wanted = []
        for work in batch:
            if work.waiting():
                wanted.append(work)
            elif self._underway.get(work.key) is work:
                del self._underway[work.key]
        return wanted

    async def _next_batch(self) -> list[Work]:
        while (batch := self._ready_batch()) is None:
            self._gathered.clear()
            with self._batching:
                ready = self._batcher.ready_at()
            try:
                async with asyncio.timeout(None if ready is None else ready - time.monotonic()):
                    await self._gathered.wait()
            except TimeoutError:
                pass
        return batch

    def _settle(self, batch: Sequence[Work], results: Sequence[Result], seconds: float) -> None:
        if self._stopping:
            return
        tokens = sum(work.length for work in batch)
        padded = batch[0].model.backend.padded
        computed = max(work.length for work in batch) * len(batch) if padded else tokens
        self._observer.batch(texts=len(batch), tokens=tokens, computed=computed, seconds=seconds)
        self._remember(batch, results)
        for work, result in zip(batch, results, strict=True):
            if self._underway.get(work.key) is work:
                del self._underway[work.key]
            work.settle(result)

    def _remember(self, batch: Sequence[Work], results: Sequence[Result]) -> None:
        """On the thread that looks texts up: the next text finds these, and no stream waits for
        the cache."""
        some = [(w.key, r) for w, r in zip(batch, results, strict=True) if isinstance(r, Encoded)]
        loop = asyncio.get_running_loop()
        remembering = loop.run_in_executor(self._preparing, self._cache.put_many, some)
        remembering.add_done_callback(self._remembered)

    def _remembered(self, remembering: asyncio.Future[None]) -> None:
        if not remembering.cancelled() and (error := remembering.exception()):
            self._break(error)

    def _ended(self, thread: ThreadPoolExecutor, task: asyncio.Task[None]) -> None:
        """An error that ends a stage ends the pipeline."""
        if task.cancelled():
            return
        self._tasks.discard(task)
        if (error := task.exception()) is None:
            self._threads.discard(thread)
            thread.shutdown(wait=False)
            return
        self._break(error)

    def _break(self, error: BaseException) -> None:
        """Every call from now on gets this error."""
        if not isinstance(error, StreamerError):
            error = StreamerError(f"the encoder broke: {type(error).__name__}: {error}")
        self.failure = error
        for call in list(self._outstanding):
            if not call.future.done():
                call.future.set_exception(error)
