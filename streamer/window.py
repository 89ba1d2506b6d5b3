"""The window through which anyone can check the state: items, boards and reasons, read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.assess import Assessor
from streamer.clock import StreamClock
from streamer.events import BEHAVIOUR_TYPES
from streamer.intake import words
from streamer.judge import Judge, Judged
from streamer.launch.boards import boards_of, competes
from streamer.patience import once
from streamer.registry import Bundle, active
from streamer.scoring.predictor import STAGES
from streamer.settings import Settings
from streamer.state.birth import check_readable
from streamer.state.boards import Boards, Decision
from streamer.state.connection import connected
from streamer.state.features import FEATURES, Features, features, launch_times
from streamer.state.keys import Keys
from streamer.state.known import Known
from streamer.state.layout import AMOUNT_UNIT, ITEM, REVIEWS
from streamer.state.merge import at_time
from streamer.state.store import Store
from streamer.state.tally import tally

BATCH_ITEMS = 500
_AMOUNTS = ("quantity", "value", "returned_value", "exposure", "sent", "rating_sum")


@dataclass(frozen=True, slots=True)
class Reason:
    """What one reason adds to an item's logit, and the value of the feature behind it."""

    reason: str
    words: str
    contribution: float
    value: float | None


@dataclass(frozen=True, slots=True)
class Described:
    """An item's description, and the item as its score sees it: ``x`` (1, features), ``stage``."""

    text: str
    bundle: Bundle
    x: NDArray[np.float64]
    stage: NDArray[np.int64]

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """The item's logit with each row in the place of its description's embedding."""
        count = len(embeddings)
        x, stage = np.repeat(self.x, count, axis=0), np.repeat(self.stage, count)
        return self.bundle.predictor.score(x, embeddings, stage).logit


class Window:
    """Reads items and boards of one group."""

    def __init__(self, assess: Assessor, boards: Boards, launch_window_days: float) -> None:
        self._assess = assess
        self.boards = boards
        self._launch_window_days = launch_window_days

    def use(self, judge: Judge) -> None:
        """Scores with this judge from now on."""
        self._assess.judge = judge

    async def item(self, item_id: str) -> dict[str, Any] | None:
        """Everything that is kept and said of an item, or None if nothing is known of it.

        Totals are exact; amounts are in units (pieces, money), decayed rates as of now; what is
        distinct is an estimate where there are more than a record lists.
        """
        judged = await self._judged(item_id)
        if not len(judged):
            return None
        known = judged.items.known[0]
        return {
            "item_id": item_id,
            **_facts(known),
            "launch_time": _number(launch_times(judged.items)[0]),
            "stream_time": judged.time,
            **_state(judged),
            "reviews": _reviews(known, judged.time),
            "encoders": sorted(known.content.vectors) if known.content else [],
            "score": _score(judged),
            "boards": await self._places(item_id, known),
        }

    async def explain(self, item_id: str) -> list[Reason] | None:
        """Every reason with what it adds to the logit and the feature behind it, the weightiest
        first; None if nothing is known of the item. With the base they sum to the logit."""
        judged = await self._judged(item_id)
        if not len(judged):
            return None
        explainer = self._assess.judge.explainer
        seen = self._seen(judged)
        weights = explainer.weights(judged.scores)
        count = len(explainer.reasons)
        phrases = explainer.top(seen.x, seen.described, weights, count)[0].tolist()
        order = np.argsort(-np.abs(weights[0]), kind="stable").tolist()
        values = dict(zip(FEATURES, seen.x[0].tolist(), strict=True))
        told = [
            Reason(
                reason=explainer.reasons[place],
                words=explainer.phrases[phrase],
                contribution=float(weights[0, place]),
                value=_number(values.get(explainer.reasons[place], np.nan)),
            )
            for place, phrase in zip(order, phrases, strict=True)
            if weights[0, place]
        ]
        base = float(judged.scores.contributions[0, 0])
        return [*told, Reason("base", "an average item at this stage", base, None)]

    async def described(self, item_id: str) -> Described | None:
        """An item's description and what another would do to its score; None if there is none."""
        judged = await self._judged(item_id)
        known = judged.items.known[0] if len(judged) else None
        if known is None or known.facts is None:
            return None
        seen = self._seen(judged)
        text = words(known.facts.listing)
        return Described(text, self._assess.judge.bundle, seen.x, judged.scores.stage)

    async def board(self, board: str) -> Decision | None:
        """The board as it was last decided."""
        decision, _ = await self.boards.decision(board)
        return decision

    async def competing(self, board: str, limit: int) -> tuple[Judged, NDArray[np.int64]]:
        """The board's best items with their scores as of now, and the places of those among them
        that may be listed now."""
        await self._assess.learn_time()
        found = await self.boards.candidates(board, limit)
        judged = await self._assess.refresh([item_id for item_id, _ in found])
        days = self._launch_window_days
        listed = [competes(k.facts, board, judged.time, days) for k in judged.items.known]
        return judged, np.flatnonzero(listed)

    async def incomplete(self, item_ids: Sequence[str]) -> list[str]:
        """Those of the items that have no score, or a description without an encoding."""
        fingerprint = self._assess.judge.bundle.encoder
        missing = set(item_ids)
        for start in range(0, len(item_ids), BATCH_ITEMS):
            judged = await self._assess.refresh(item_ids[start : start + BATCH_ITEMS])
            scored = np.isfinite(judged.scores.probability).tolist()
            rows = zip(judged.items.ids, judged.items.known, scored, strict=True)
            missing -= {
                item_id
                for item_id, known, finite in rows
                if finite and known.content and fingerprint in known.content.vectors
            }
        return sorted(missing)

    async def scored(self, item_ids: Sequence[str]) -> tuple[Judged, Features]:
        """Those of the items that are known, with their scores as of now and the features behind
        these."""
        await self._assess.learn_time()
        judged = await self._assess.refresh(item_ids)
        return judged, self._seen(judged)

    async def tally(self) -> dict[str, Counter[str]]:
        """How many records of each log were applied, duplicate and dead."""
        return await tally(self._assess.store)

    async def _judged(self, item_id: str) -> Judged:
        await self._assess.learn_time()
        return await self._assess.refresh([item_id])

    def _seen(self, judged: Judged) -> Features:
        """The features behind the scores."""
        bundle = self._assess.judge.bundle
        return features(
            judged.items, self._assess.kin, judged.time, bundle.encoder, bundle.dimensions
        )

    async def _places(self, item_id: str, known: Known) -> dict[str, int | None]:
        boards = boards_of(known.facts) if known.facts else ()
        return {board: await self._place(board, item_id) for board in boards}

    async def _place(self, board: str, item_id: str) -> int | None:
        """Where the board shows the item, or its place behind those that it shows; None where it is
        not to be listed."""
        decision = await self.board(board)
        lines = decision.lines if decision else []
        shown = next((line.rank for line in lines if line.item_id == item_id), None)
        place = None if shown else await self.boards.rank(board, item_id)
        return max(len(lines) + 1, place) if place else shown


@asynccontextmanager
async def open_window(settings: Settings, judge: Judge | None = None) -> AsyncIterator[Window]:
    """A window on the settings' group, which scores by the bundle in use if by no other judge.

    Raises RedisUnavailable, StoreMismatch, BundleError.
    """
    judge = judge or Judge(active(settings.model_store))
    keys = Keys(settings.group, settings.shards)
    async with connected(settings) as client:
        store = Store(client, keys, settings.user_retention_seconds)
        await check_readable(store)
        assess = Assessor(store, judge, StreamClock(), settings.item_cache_max_bytes, once)
        yield Window(assess, Boards(client, keys), settings.launch_window_days)


def _facts(known: Known) -> dict[str, Any]:
    if known.facts is None:
        return {"title": None, "category": [], "brand": None, "price": None, "withdrawn": False}
    item = known.facts.listing
    return {
        "title": item.title,
        "description": item.description,
        "category": list(item.category),
        "brand": item.brand,
        "seller": item.seller,
        "price": item.price,
        "currency": item.currency,
        "stock": item.stock,
        "attributes": item.attributes,
        "withdrawn": known.facts.withdrawn,
    }


def _state(judged: Judged) -> dict[str, Any]:
    row = dict(zip(ITEM.fields, judged.items.x[0].tolist(), strict=True))
    now = at_time(ITEM, judged.items.x, judged.time)[0].tolist()
    rates = dict(zip(ITEM.fields, now, strict=True))
    decayed = ITEM.fields[ITEM.decayed_slice]
    return {
        "version": int(row["version"]),
        "totals": {name: int(row[name]) for name in BEHAVIOUR_TYPES},
        "amounts": {name: round(row[name]) * AMOUNT_UNIT for name in _AMOUNTS},
        "first_event_time": _number(row["first_time"]),
        "last_event_time": _number(row["last_time"]),
        "distinct": {
            name: round(float(judged.items.distinct(name)[0]))
            for name in ("buyers", "users", "channels")
        }
        | {"days": int(judged.items.listed("days")[0])},
        "decayed": {
            name: rates[name] * (AMOUNT_UNIT if name.split("_")[0] in _AMOUNTS else 1.0)
            for name in decayed
        },
    }


def _reviews(known: Known, now: float) -> dict[str, Any]:
    if known.reviews is None:
        return {"encoded": 0, "sentiment": None, "sentiment_last_week": None}
    row = dict(zip(REVIEWS.fields, at_time(REVIEWS, known.reviews[None], now)[0], strict=True))
    judged, lately = row["sentiment_count"], row["reviews_168h"]
    return {
        "encoded": int(row["reviews"]),
        "sentiment": float(row["sentiment_sum"] * AMOUNT_UNIT / judged) if judged else None,
        "sentiment_last_week": (
            float(row["sentiment_168h"] * AMOUNT_UNIT / lately)
            if judged and lately > 1e-3
            else None
        ),
    }


def _score(judged: Judged) -> dict[str, Any]:
    scores = judged.scores
    return {
        "probability": float(scores.probability[0]),
        "uncertainty": float(scores.uncertainty[0]),
        "stage": STAGES[scores.stage[0]],
        "logit": float(scores.logit[0]),
        "contributions": dict(zip(judged.names, scores.contributions[0].tolist(), strict=True)),
        "reasons": judged.reasons(0),
        "model": judged.model,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
