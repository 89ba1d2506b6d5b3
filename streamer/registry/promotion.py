"""Promote, roll back, add: the changes of a store, each under its lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from streamer.errors import BundleError
from streamer.registry import bundles, gate, pointer
from streamer.registry.bundles import Stored, who
from streamer.registry.pointer import Change
from streamer.registry.predictors import LAUNCH, predictor_of
from streamer.success import Success


def promote(store: Path, name: str, *, why: str = "", by: str = "", force: bool = False) -> Change:
    """Puts a bundle in use.

    Raises BundleError if it is damaged, has another schema or is no predictor of this streamer's;
    and, unless forced, if it goes with another encoder than the one in use, tells another success,
    or is worse (gate.py).
    What was forced is kept in the history. In the place of one that can't be used, of which nothing
    can be told, it counts as no further behind the best than that.
    """
    with pointer.locked(store):
        candidate = usable(store, name)
        before = pointer.current(store, candidate.slot)
        if before == name:
            raise BundleError(f"{name} is in use already")
        incumbent = _sound(store, before)
        behind = pointer.behind(pointer.history(store), candidate.slot, before or "")
        against = tuple(objections(candidate, incumbent, behind)) if incumbent else ()
        if against and not force:
            raise BundleError(
                f"{name} is not promoted: {'; '.join(against)}. To overrule that: "
                f"streamer models promote {name} --force --why '…'"
            )
        now = 0.0 if against else behind
        if incumbent and not against:
            now = gate.behind_best(candidate, incumbent, behind)
        return _changed(store, candidate.slot, name, before, why, by, overruled=against, behind=now)


def activate(store: Path, name: str) -> str:
    """Puts a bundle in use that was just made; returns why not, where it does not pass."""
    try:
        promote(store, name, why="just trained")
    except BundleError as error:
        return str(error)
    return ""


def rollback(store: Path, slot: str = LAUNCH, *, why: str = "", by: str = "") -> Change:
    """Puts that bundle back in use that was before the last promotion not yet undone.

    Raises BundleError if there is none, or it can't be used any more.
    """
    with pointer.locked(store):
        descent = pointer.line_of_descent(pointer.history(store), slot)
        if len(descent) < 2:
            raise BundleError(f"nothing to go back to: {slot} has had no other bundle in use")
        usable(store, descent[1])
        return _changed(store, slot, descent[1], descent[0], why, by, action="rollback")


def usable(store: Path, name: str) -> Stored:
    """A bundle that is sound and that this streamer can work with. Raises BundleError."""
    found = bundles.read(store, name)
    if found.kind == LAUNCH:
        predictor_of(found)
    return found


def objections(candidate: Stored, incumbent: Stored, behind: float) -> Iterator[str]:
    """What speaks against one sound bundle in the place of another, which is so much ``behind`` the
    best on its line of descent; a line each."""
    if candidate.encoder != incumbent.encoder:
        yield (
            f"it reads vectors of encoder {candidate.encoder[:12]}, {incumbent.name} those of "
            f"{incumbent.encoder[:12]}: every item would have to be encoded again"
        )
    if candidate.kind == LAUNCH and (np.asarray(candidate.tensors["slope"], float) <= 0).any():
        yield "its calibration turns the scores of a stage around"
    own, other = (bundle.manifest.get("success", {}) for bundle in (candidate, incumbent))
    if own != other:
        yield f"it says P of another success ({_told(candidate)}) than {incumbent.name} ({_told(incumbent)})"
    yield from gate.objections(candidate, incumbent, behind)


def _told(bundle: Stored) -> str:
    if "success" not in bundle.manifest:
        return "not told which"
    return Success.of(bundle.manifest).words


def _sound(store: Path, name: str | None) -> Stored | None:
    """The bundle in use, if it can be used: nothing is worse than one that can't."""
    try:
        return usable(store, name) if name else None
    except BundleError:
        return None


def add(store: Path, source: Path) -> list[str]:
    """Takes in a bundle from elsewhere, or all bundles of another store that are not here; where
    nothing is in use yet, what is in use there. Returns the names of those taken in.

    Raises BundleError for one that is damaged.
    """
    source = source.resolve()
    single = (source / bundles.MANIFEST).exists()
    origin, wanted = (source.parent, [source.name]) if single else (source, bundles.names(source))
    if not wanted:
        raise BundleError(f"{source} is neither a bundle nor a store of bundles")
    there = set(bundles.names(store))
    if single and source.name in there:
        raise BundleError(f"bundle {source.name} exists; bundles are never overwritten")
    added = [name for name in wanted if name not in there]
    for name in added:
        bundles.read(origin, name)
        bundles.place(store, name, bundles.files_of(origin, name))
    if not single:
        _take_over(store, origin)
    return added


def _take_over(store: Path, origin: Path) -> None:
    with pointer.locked(store):
        changes = pointer.history(origin)
        for slot, name in pointer.in_use(origin).items():
            if pointer.current(store, slot) is None:
                usable(store, name)
                behind = pointer.behind(changes, slot, name)
                _changed(store, slot, name, None, f"in use at {origin}", "", behind=behind)


def _changed(
    store: Path, slot: str, to: str, before: str | None, why: str, by: str, **more: object
) -> Change:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    change = Change(
        slot=slot,
        to=to,
        before=before,
        at=at,
        by=by or who(),
        why=why,
        **more,  # type: ignore[arg-type]
    )
    pointer.append(store, change)
    return change
