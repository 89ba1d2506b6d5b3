"""The way of a chunk of an input topic, from raw records to acknowledged scores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from streamer import failpoint, metrics
from streamer.chunk import Chunk
from streamer.events import DeadLetter, Text
from streamer.intake import Intake
from streamer.patience import patiently
from streamer.state import behaviour, catalogue
from streamer.state.behaviour import BehaviourBatch
from streamer.state.catalogue import CatalogueBatch
from streamer.state.kin import KinTable
from streamer.state.known import KnownItems
from streamer.state.store import Store
from streamer.state.touched import Touched
from streamer.worker import Worker

B = TypeVar("B", BehaviourBatch, CatalogueBatch)


@dataclass(frozen=True)
class Counted(Generic[B]):
    """How the chunks of one topic are read and applied."""

    read: Callable[[Intake, Chunk], tuple[B, list[Text], list[DeadLetter]]]
    apply_items: Callable[[Store, B, KnownItems], Awaitable[Touched]]
    apply_kin: Callable[[Store, B, Touched, KinTable], Awaitable[None]]


BEHAVIOUR = Counted(Intake.behaviour, behaviour.apply_items, behaviour.apply_kin)
CATALOGUE = Counted(Intake.catalogue, catalogue.apply_items, catalogue.apply_kin)


async def go(worker: Worker, chunk: Chunk, kind: Counted[Any]) -> None:
    """Takes a chunk all the way.

    Chunks of a partition overlap, but pass each phase in order. The chunk is done, and its offsets
    may be committed, when its scores are acknowledged and its items filed (see filing.py). Raises
    LostWrites, StreamerError.
    """
    if chunk.reread:
        worker.intake.remember(chunk)
        chunk.done()
        return
    with worker.turns.of(chunk) as places:
        with metrics.PHASE_SECONDS.labels("read").time():
            batch, texts, dead_letters = kind.read(worker.intake, chunk)
        failpoint.passing("read")
        async with places.turn("items"):
            with metrics.PHASE_SECONDS.labels("items").time():
                items = await patiently(
                    lambda: kind.apply_items(worker.store, batch, worker.assess.known)
                )
        failpoint.passing("items")
        async with places.turn("kin"):
            with metrics.PHASE_SECONDS.labels("kin").time():
                await patiently(
                    lambda: kind.apply_kin(worker.store, batch, items, worker.assess.kin)
                )
    failpoint.passing("kin")
    worker.assess.clock.advance(batch.clock)
    await worker.outputs.dead_letters(dead_letters)
    failpoint.passing("dead-letters")
    await worker.outputs.texts(texts)
    failpoint.passing("texts")
    await worker.tell(items, chunk)
    chunk.processed()
