"""A candidate that scores what the model in use scores, beside it and unseen.

It has the same items, relatives and moment, and publishes nothing. Of every item its latest pair of
scores is remembered for the metrics, and the first one in each stage is kept in Redis until it is
known how the item fared.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer import metrics
from streamer.errors import BundleError
from streamer.following import refuse
from streamer.judge import Judge, Judged
from streamer.live import Stage, stages
from streamer.models import open_judge
from streamer.patience import patiently
from streamer.scoring.agreement import rank_correlation
from streamer.state.connection import Client
from streamer.state.features import launch_times
from streamer.state.keys import Keys
from streamer.state.kin import KinTable
from streamer.state.layout import DAY, ITEM
from streamer.state.shadows import Prediction, Shadows
from streamer.success import Success

Floats = NDArray[np.float64]

TELL_SECONDS = 2.0
"""How often agreement is exported and predictions are written."""
WINDOW_ITEMS = 20_000
"""Items whose latest pair of scores is remembered."""
EVALUATE_SECONDS = 300.0
"""How often outcomes are read again."""
NOTED_ITEMS = 500_000
"""Predictions and outcomes of which it is remembered that they are written; any may be twice."""
_FIRST_PURCHASE = ITEM.index["first_purchase_time"]
_OUTCOME = -1
"""Where a stage stands, the outcome."""


class Shadow:
    """A candidate beside the model in use."""

    def __init__(self, judge: Judge, client: Client, keys: Keys) -> None:
        self.name = judge.bundle.name
        self._judge: Judge | None = judge
        self._success = Success.of(judge.bundle.manifest)
        self._client, self._keys = client, keys
        self._beside = ""
        self._now = 0.0
        self._latest: dict[str, tuple[float, float]] = {}
        self._notes = Notes()

    def see(self, judged: Judged, kin: KinTable) -> None:
        """Scores what was just judged. Never raises: a candidate that fails is dropped."""
        if self._judge is None or judged.model == self.name or not len(judged):
            return
        started = time.perf_counter()
        try:
            scores = self._judge.judge(judged.items, kin, judged.time).scores
        except Exception as error:
            self._drop(error)
            return
        self._remember(judged, scores.probability)
        metrics.SHADOW_SCORES.labels(self.name).inc(len(judged))
        metrics.SHADOW_SECONDS.inc(time.perf_counter() - started)

    def _remember(self, judged: Judged, candidate: Floats) -> None:
        if judged.model != self._beside:
            self._beside = judged.model
            self._latest, self._notes = {}, Notes()
        self._now = judged.time
        active = judged.scores.probability
        pairs = zip(active.tolist(), candidate.tolist(), strict=True)
        for item_id, pair in zip(judged.items.ids, pairs, strict=True):
            self._latest.pop(item_id, None)
            self._latest[item_id] = pair
        while len(self._latest) > WINDOW_ITEMS:
            del self._latest[next(iter(self._latest))]
        self._notes.take(judged, candidate, self._success.horizon_days * DAY)

    def _drop(self, error: Exception) -> None:
        self._judge = None
        refuse(self.name, BundleError(f"it fails: {error!r}"), shadow=True)

    async def run(self) -> None:
        """Exports and writes down what was seen, as long as the candidate does not fail."""
        try:
            await self._tell()
        except Exception as error:
            self._drop(error)
            await asyncio.Event().wait()

    async def _tell(self) -> None:
        evaluated = -EVALUATE_SECONDS
        while True:
            await asyncio.sleep(TELL_SECONDS)
            if not self._beside:
                continue
            record = Shadows(self._client, self._keys, self.name, self._beside)
            self._tell_agreement()
            await self._write(record)
            if time.monotonic() - evaluated >= EVALUATE_SECONDS:
                evaluated = time.monotonic()
                recorded = await patiently(record.read)
                told = await asyncio.to_thread(list, stages(recorded, self._success, self._now))
                self._tell_outcomes(told)

    def _tell_agreement(self) -> None:
        pairs = np.array(list(self._latest.values()))
        agreement = rank_correlation(pairs[:, 0], pairs[:, 1])
        metrics.SHADOW_RANK_CORRELATION.labels(self.name).set(agreement)
        metrics.SHADOW_DIFFERENCE.labels(self.name).set(np.abs(pairs[:, 0] - pairs[:, 1]).mean())

    async def _write(self, record: Shadows) -> None:
        predictions, buyers = self._notes.hand_over()
        if predictions or buyers:
            await patiently(lambda: record.record(predictions, buyers))

    def _tell_outcomes(self, told: list[Stage]) -> None:
        for stage in told:
            metrics.SHADOW_OUTCOMES.labels(self.name, stage.stage).set(stage.known)
            for bundle, error, auc in (
                (self._beside, stage.active_error, stage.active_auc),
                (self.name, stage.candidate_error, stage.candidate_auc),
            ):
                if error is not None:
                    metrics.SHADOW_CALIBRATION_ERROR.labels(bundle, stage.stage).set(error)
                if auc is not None:
                    metrics.SHADOW_AUC.labels(bundle, stage.stage).set(auc)


class Notes:
    """What is to be written down: each item's first scores in a stage, and how it fared."""

    def __init__(self) -> None:
        self._predictions: dict[tuple[int, str], Prediction] = {}
        self._buyers: dict[str, float] = {}
        self._written: set[tuple[int, str]] = set()

    def take(self, judged: Judged, candidate: Floats, horizon_seconds: float) -> None:
        """Notes what is new of these items; those without a launch are nobody's success. Of those
        that were bought before their launch it is not known how many did so after it."""
        launch = launch_times(judged.items)
        ordered_before = judged.items.x[:, _FIRST_PURCHASE] < launch
        over = (judged.time - launch >= horizon_seconds) & ~ordered_before
        items, stage, active = judged.items.ids, judged.scores.stage, judged.scores.probability
        for place in np.flatnonzero(launch + horizon_seconds > judged.time).tolist():
            key = int(stage[place]), items[place]
            if self._is_new(key):
                self._predictions[key] = Prediction(launch[place], active[place], candidate[place])
        for place in np.flatnonzero(over).tolist():
            if self._is_new((_OUTCOME, items[place])):
                one = judged.items.part(place, place + 1)
                self._buyers[items[place]] = float(one.distinct("buyers")[0])

    def hand_over(self) -> tuple[dict[tuple[int, str], Prediction], dict[str, float]]:
        """Predictions by (stage, item) and buyers by item since the last time."""
        predictions, self._predictions = self._predictions, {}
        buyers, self._buyers = self._buyers, {}
        return predictions, buyers

    def _is_new(self, key: tuple[int, str]) -> bool:
        if len(self._written) >= NOTED_ITEMS:
            self._written.clear()
        before = len(self._written)
        self._written.add(key)
        return len(self._written) > before


def open_shadow(store: Path, name: str, client: Client, keys: Keys) -> Shadow | None:
    """The shadow of this name, None for ''. A bundle that can't be used is refused loudly, and there
    is no shadow: that is no reason to stop scoring."""
    if not name:
        return None
    try:
        return Shadow(open_judge(store, name), client, keys)
    except BundleError as error:
        refuse(name, error, shadow=True)
        return None
