"""The way of a batch of the input topics, from raw records to acknowledged scores."""

from __future__ import annotations

from collections import Counter

from streamer import failpoint, metrics
from streamer.chunk import Chunk
from streamer.intake import Taken
from streamer.patience import patiently
from streamer.state.batch import Batch, Range
from streamer.state.encoded import apply_encodings
from streamer.state.items import Applied, apply_items
from streamer.state.phases import LostWrites
from streamer.state.relatives import apply_kin
from streamer.worker import Worker


async def go(worker: Worker, chunks: list[Chunk]) -> None:
    """Takes chunks all the way.

    Batches overlap, but pass each phase in order. A chunk is done, and its offsets may be
    committed, when its scores are acknowledged and its items filed (see filing.py). What Redis has
    lost is read again; the rest goes on. Raises StreamerError.
    """
    for chunk in chunks:
        if chunk.reread:
            worker.intake.remember(chunk)
            chunk.done()
    with metrics.PHASE_SECONDS.labels("read").time():
        taken = worker.intake.take([chunk for chunk in chunks if not chunk.reread])
    failpoint.passing("read")
    while taken:
        try:
            await _go(worker, taken)
            return
        except LostWrites as lost:
            taken = _without(worker, taken, lost)


async def _go(worker: Worker, taken: list[Taken]) -> None:
    batch = Batch.of([each.range for each in taken], worker.store.keys, worker.pseudonyms)
    applied = await _applied(worker, batch)
    worker.assess.clock.advance(batch.clock)
    await worker.outputs.dead_letters([letter for each in taken for letter in each.dead_letters])
    failpoint.passing("dead-letters")
    await worker.outputs.texts([text for each in taken for text in each.texts])
    failpoint.passing("texts")
    await worker.tell(applied.items, [chunk for each in taken for chunk in each.chunks])


async def _applied(worker: Worker, batch: Batch) -> Applied:
    async with worker.items_turn:
        with metrics.PHASE_SECONDS.labels("items").time():
            applied = await patiently(lambda: apply_items(worker.store, batch, worker.assess.table))
    failpoint.passing("items")
    async with worker.kin_turn:
        with metrics.PHASE_SECONDS.labels("kin").time():
            await patiently(lambda: apply_kin(worker.store, batch, applied, worker.assess.kin))
    failpoint.passing("kin")
    return applied


def _without(worker: Worker, taken: list[Taken], lost: LostWrites) -> list[Taken]:
    """Has what Redis has lost read again; what is left of a batch."""
    worker.forget_what_was_lost()
    for number, offset in lost.watermarks.items():
        for chunk in taken[number].chunks:
            chunk.rewind(offset)
    return [each for number, each in enumerate(taken) if number not in lost.watermarks]


async def go_encoded(worker: Worker, chunks: list[Chunk]) -> None:
    """Takes chunks of encodings all the way, one after the other. Raises StreamerError."""
    for chunk in chunks:
        try:
            await _go_encoded(worker, chunk)
        except LostWrites as lost:
            worker.forget_what_was_lost()
            chunk.rewind(lost.watermarks[0])


async def _go_encoded(worker: Worker, chunk: Chunk) -> None:
    events, dead_letters = worker.intake.encodings(chunk)
    table = worker.assess.table
    async with worker.items_turn:
        items = await patiently(
            lambda: apply_encodings(worker.store, Range.of(chunk), events, table)
        )
    failpoint.passing("encodings")
    for kind, count in Counter(event.kind for event in events).items():
        metrics.ENCODINGS.labels(kind).inc(count)
    await worker.outputs.dead_letters(dead_letters)
    await worker.tell(items, [chunk])
