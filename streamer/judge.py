"""From touched items to judged ones: features, predictor and reasons put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.registry import Bundle
from streamer.score_messages import ScorePacker
from streamer.scoring.explain import Explainer
from streamer.scoring.predictor import Predictor, Scores, stages
from streamer.state.features import features
from streamer.state.kin import KinTable
from streamer.state.layout import ITEM
from streamer.state.touched import Touched

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK_ITEMS = 1000
"""Items whose features are made at once: their arrays stay small and in the cache."""
_READ_AS = {
    "view": {"views"},
    **dict.fromkeys(("click", "favourite", "cart", "share"), frozenset({"interest"})),
    "purchase": {"purchases"},
    "return": {"returns_share"},
    "rating": {"ratings", "rating"},
    "review": {"reviews", "sentiment"},
    "hide": {"hides_share"},
}
"""By what shoppers do the features that tell it first of all; impressions are no actions."""
ACTIONS = [ITEM.index[name] for name in _READ_AS]


def actions(items: Touched) -> Floats:
    """How many shopper actions of each kind each item has seen, (items, kinds)."""
    counted: Floats = items.x[:, ACTIONS]
    return counted


def actions_read(predictor: Predictor) -> list[int]:
    """The kinds of actions that a predictor reads. Others don't move an item's score, nor its
    stage, by which scores are calibrated."""
    read = set(predictor.reads)
    return [kind for kind, features in enumerate(_READ_AS.values()) if features & read]


def stages_of(predictor: Predictor, seen: Floats) -> Ints:
    """The stage of each item for a predictor, by its `actions`."""
    return stages(seen[:, actions_read(predictor)].sum(axis=1))


@dataclass(slots=True)
class Judged:
    """Items with their scores as of ``time`` (stream time)."""

    items: Touched
    scores: Scores
    phrases: Ints
    versions: Floats
    time: float
    judge: Judge

    def __len__(self) -> int:
        return len(self.items)

    @property
    def model(self) -> str:
        return self.judge.bundle.name

    @property
    def names(self) -> tuple[str, ...]:
        """What the contributions are of."""
        return self.judge.bundle.predictor.names

    def reasons(self, place: int) -> list[str]:
        """The reasons of one item in words."""
        return [self.judge.explainer.phrases[p] for p in self.phrases[place].tolist()]

    def messages(self, places: Ints) -> list[tuple[bytes, bytes]]:
        """Key and value of the `item-scores` record of each of these items."""
        ids = [self.items.ids[place] for place in places.tolist()]
        packed = self.judge.packer.pack(
            ids, self.scores, self.phrases, self.versions, self.time, places
        )
        return [(item_id.encode(), value) for item_id, value in zip(ids, packed, strict=True)]


class Judge:
    """Scores items with one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.explainer = Explainer(bundle.predictor)
        self._actions = np.array(
            [ACTIONS[kind] for kind in actions_read(bundle.predictor)], np.int64
        )
        self.packer = ScorePacker(bundle.name, bundle.predictor.names, self.explainer.phrases)

    def judge(self, items: Touched, kin: KinTable, now: float) -> Judged:
        """The items' scores at ``now``."""
        if len(items) <= BLOCK_ITEMS:
            scores, phrases = self._block(items, kin, now)
        else:
            starts = range(0, len(items), BLOCK_ITEMS)
            blocks = [self._block(items.part(s, s + BLOCK_ITEMS), kin, now) for s in starts]
            scores = Scores.concatenated([scores for scores, _ in blocks])
            phrases = np.concatenate([phrases for _, phrases in blocks])
        return Judged(
            items=items,
            scores=scores,
            phrases=phrases,
            versions=items.x[:, ITEM.index["version"]],
            time=now,
            judge=self,
        )

    def _block(self, items: Touched, kin: KinTable, now: float) -> tuple[Scores, Ints]:
        """The scores of a few items, and the phrases of their reasons."""
        seen = features(items, kin, now, self.bundle.encoder, self.bundle.dimensions)
        stage = stages(items.x[:, self._actions].sum(axis=1))
        scores = self.bundle.predictor.score(seen.x, seen.content, stage)
        weights = self.explainer.weights(scores)
        return scores, self.explainer.top(seen.x, seen.described, weights)
