"""The judge of the predictor in use, at the start and after every change of the store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from streamer.errors import BundleError
from streamer.following import Follower, in_use, refuse
from streamer.judge import Judge
from streamer.registry import load, pointer
from streamer.registry.predictors import LAUNCH, active_name

log = structlog.get_logger(__name__)


def judge_in_use(store: Path) -> Judge:
    """The judge of the bundle in use.

    Where that one can't be used, the one that was in use before it: so has whoever was running when
    it was promoted, and a restart changes nothing. Raises BundleError if there is none.
    """
    wanted = active_name(store)
    try:
        judge = open_judge(store, wanted)
    except BundleError as error:
        refuse(wanted, error)
        older = pointer.opened_before(store, LAUNCH, partial(open_judge, store))
        if older is None:
            raise
        name, judge = older
        log.error("an older bundle is in use", bundle=name, instead_of=wanted)
    in_use(judge.bundle.name)
    return judge


def follow(store: Path, judge: Judge, take: Callable[[Judge], None]) -> Follower[Judge]:
    """Keeps the judge that was taken first up to date."""
    return Follower(
        judge.bundle.name, partial(active_name, store), partial(open_judge, store), take
    )


def open_judge(store: Path, name: str) -> Judge:
    """The judge of a bundle that has been seen to score. Raises BundleError."""
    return Judge(load(store, name))
