"""From touched items to judged ones: features, predictor and reasons put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.events import ItemScore
from streamer.registry import Bundle
from streamer.scoring.explain import Explainer
from streamer.scoring.predictor import STAGES, Scores, stages
from streamer.state.features import features
from streamer.state.kin import KinTable
from streamer.state.layout import ITEM
from streamer.state.touched import Touched

Floats = NDArray[np.float64]

_ACTIONS = [
    ITEM.index[name]
    for name in (
        *("view", "click", "favourite", "cart", "purchase"),
        *("return", "rating", "review", "share", "hide"),
    )
]


@dataclass(slots=True)
class Judged:
    """Items with their scores as of ``time`` (stream time)."""

    items: Touched
    scores: Scores
    reasons: list[list[str]]
    versions: Floats
    time: float
    model: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.items)

    def messages(self) -> Iterator[ItemScore]:
        """One message an item."""
        rows = zip(
            self.items.ids,
            self.scores.probability.tolist(),
            self.scores.uncertainty.tolist(),
            self.scores.stage.tolist(),
            self.scores.logit.tolist(),
            self.scores.contributions.tolist(),
            self.reasons,
            self.versions.tolist(),
            strict=True,
        )
        for item_id, p, uncertainty, stage, logit, parts, reasons, version in rows:
            yield ItemScore(
                item_id=item_id,
                probability=p,
                uncertainty=uncertainty,
                stage=STAGES[stage],  # type: ignore[arg-type]
                logit=logit,
                contributions=dict(zip(self.names, parts, strict=True)),
                reasons=reasons,
                model=self.model,
                version=int(version),
                time=self.time,
            )


class Judge:
    """Scores items with one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._explain = Explainer(bundle.predictor)

    def judge(self, items: Touched, kin: KinTable, now: float) -> Judged:
        """The items' scores at ``now``."""
        predictor = self.bundle.predictor
        seen = features(items, kin, now, self.bundle.encoder, self.bundle.dimensions)
        stage = stages(items.x[:, _ACTIONS].sum(axis=1))
        scores = predictor.score(seen.x, seen.content, stage)
        weights = self._explain.weights(seen.x, scores.contributions[:, 1], stage)
        return Judged(
            items=items,
            scores=scores,
            reasons=self._explain.top(seen.x, weights),
            versions=items.x[:, ITEM.index["version"]],
            time=now,
            model=self.bundle.name,
            names=predictor.names,
        )
