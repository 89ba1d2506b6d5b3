"""Live items that a human should label, or that should be shown to find out (active learning)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.errors import CheckFailed
from streamer.learning.active import Pool, Strategy, choose, information, nearest
from streamer.scoring.predictor import STAGES
from streamer.window import BATCH_ITEMS, Window

Floats = NDArray[np.float64]

STRATEGY = Strategy.MIXED
"""What learns fastest of real launches; see `streamer evaluate --task active`."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """``probability`` of success, with what one standard deviation of the networks' logits less and
    more makes of it; ``information`` (bits) is what the outcome would tell the model on average;
    ``like_it`` counts the items that no other suggestion is nearer to."""

    item_id: str
    title: str
    stage: str
    probability: float
    least: float
    greatest: float
    information: float
    like_it: int

    @property
    def reason(self) -> str:
        why = f"networks disagree: {100 * self.least:.0f} to {100 * self.greatest:.0f} %"
        return f"{why}; speaks for {self.like_it} like it" if self.like_it else why


@dataclass(frozen=True, slots=True)
class _Seen:
    """Items of a board as the predictor sees them."""

    item_id: list[str]
    title: list[str]
    stage: NDArray[np.int64]
    pool: Pool


async def suggest(window: Window, board: str, count: int, among: int) -> list[Suggestion]:
    """``count`` of the ``among`` best items that may be listed on a board, the most worth first.

    Raises CheckFailed, RedisUnavailable.
    """
    found = await window.boards.candidates(board, among)
    if not found:
        names = ", ".join(await window.boards.names()) or "none yet"
        raise CheckFailed(f"no board {board!r} with items; there are: {names}")
    seen = await _read(window, [item_id for item_id, _ in found])
    chosen = choose(STRATEGY, seen.pool, count, seen.pool.vectors[:0], seed=0)
    return _suggestions(seen, chosen)


async def _read(window: Window, item_ids: list[str]) -> _Seen:
    parts, ids, titles = [], list[str](), list[str]()
    for start in range(0, len(item_ids), BATCH_ITEMS):
        judged, features = await window.scored(item_ids[start : start + BATCH_ITEMS])
        predictor = judged.judge.bundle.predictor
        vectors = predictor.inputs(features.x, features.content)
        scores = judged.scores
        parts.append((scores.logit, scores.uncertainty, vectors, scores.stage))
        ids += judged.items.ids
        titles += [known.facts.listing.title if known.facts else "" for known in judged.items.known]
    logit, uncertainty, vectors, stage = (
        np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    return _Seen(ids, titles, stage, Pool(logit, uncertainty, vectors.astype(np.float64)))


def _suggestions(seen: _Seen, chosen: NDArray[np.int64]) -> list[Suggestion]:
    logit, spread = seen.pool.logit, seen.pool.uncertainty
    bits = information(logit, spread)
    speaks = np.bincount(nearest(seen.pool.vectors, chosen), minlength=len(chosen)) - 1
    least, middle, greatest = (1 / (1 + np.exp(-(logit + way * spread))) for way in (-1, 0, 1))
    return [
        Suggestion(
            item_id=seen.item_id[place],
            title=seen.title[place],
            stage=STAGES[seen.stage[place]],
            probability=float(middle[place]),
            least=float(least[place]),
            greatest=float(greatest[place]),
            information=float(bits[place]),
            like_it=int(speaks[number]),
        )
        for number, place in enumerate(chosen.tolist())
    ]
