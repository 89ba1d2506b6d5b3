"""What the record of a shadow says: how far two models agree live, and, once it is known how items
fared, which of them was right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streamer.registry import bundles
from streamer.scoring.agreement import area_under_curve, calibration_error, rank_correlation
from streamer.scoring.predictor import STAGES
from streamer.settings import Settings
from streamer.state.connection import connected
from streamer.state.keys import Keys
from streamer.state.shadows import Recorded, Shadows
from streamer.state.store import Store
from streamer.success import Success

Floats = NDArray[np.float64]


class Stage(Struct, frozen=True, kw_only=True):
    """Both models at the items' first scores in a stage. ``agreement`` of them is Spearman's rho,
    ``difference`` the mean absolute difference of P. ``known`` items have an outcome: of these the
    share of successes, the calibration errors and the areas under the curve; None without any."""

    stage: str
    items: int
    agreement: float | None
    difference: float | None
    known: int
    successes: float | None = None
    active_error: float | None = None
    candidate_error: float | None = None
    active_auc: float | None = None
    candidate_auc: float | None = None


async def compare(settings: Settings, candidate: str, other: str) -> list[Stage]:
    """The two bundles as workers have seen them beside each other. Raises RedisUnavailable,
    BundleError."""
    success = Success.of(bundles.read(settings.model_store, candidate).manifest)
    keys = Keys(settings.group, settings.shards)
    async with connected(settings) as client:
        recorded = await Shadows(client, keys, candidate, other).read()
        now = await Store(client, keys, settings.user_retention_seconds).clock()
    return list(stages(recorded, success, now))


def caveats(store: Path, candidate: str, other: str) -> Iterator[str]:
    """What is to be known of such a comparison. Raises BundleError."""
    own, its = (Success.of(bundles.read(store, name).manifest) for name in (candidate, other))
    if own.outcome != "buyers":
        yield (
            f"{candidate} tells P of {own.words}, and live only buyers are counted: outcomes will "
            "never be known"
        )
    elif own != its:
        yield (
            f"outcomes are those of which {candidate} tells P ({own.words}); {other} tells it of "
            f"others ({its.words}), and its calibration error here says nothing of it"
        )


def stages(recorded: Recorded, success: Success, now: float) -> Iterator[Stage]:
    """Each stage as of stream time ``now``."""
    label = outcomes(recorded, success, now)
    for number, name in enumerate(STAGES):
        mine = recorded.stage == number
        if mine.any():
            yield _stage(name, recorded.active[mine], recorded.candidate[mine], label[mine])


def outcomes(recorded: Recorded, success: Success, now: float) -> Floats:
    """1 for a success, 0 for a failure, NaN where it is not known yet. Of items only their distinct
    buyers are remembered: success by another outcome is never known.
    """
    cohort = success.cohort(recorded.launch)
    label = np.full(len(cohort), np.nan)
    if success.outcome != "buyers":
        return label
    known = (success.known_at(cohort) <= now) & ~np.isnan(recorded.buyers)
    for each in np.unique(cohort[known]):
        mine = known & (cohort == each)
        _, first = np.unique(recorded.item[mine], return_index=True)
        bar = np.quantile(recorded.buyers[mine][first], success.quantile)
        label[mine] = recorded.buyers[mine] > bar
    return label


def _stage(name: str, active: Floats, candidate: Floats, label: Floats) -> Stage:
    known = ~np.isnan(label)
    right = label[known]
    return Stage(
        stage=name,
        items=len(active),
        agreement=_told(rank_correlation(active, candidate)),
        difference=float(np.abs(active - candidate).mean()),
        known=len(right),
        successes=float(right.mean()) if len(right) else None,
        active_error=_told(calibration_error(right, active[known])),
        candidate_error=_told(calibration_error(right, candidate[known])),
        active_auc=_told(area_under_curve(right, active[known])),
        candidate_auc=_told(area_under_curve(right, candidate[known])),
    )


def _told(value: float) -> float | None:
    return None if np.isnan(value) else value
