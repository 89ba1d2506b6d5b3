"""What there is in a store, for whoever looks at it."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from streamer.errors import BundleError
from streamer.registry import bundles, gate, pointer
from streamer.registry.promotion import objections, usable


class Row(Struct, frozen=True, kw_only=True):
    """A bundle in brief. ``quality`` is the mean of what the gate looks at, ``calibration_error``
    the largest; ``damage`` says why it can't be used."""

    name: str
    in_use: bool
    kind: str = ""
    made_at: str = ""
    encoder: str = ""
    quality: float | None = None
    calibration_error: float | None = None
    damage: str = ""


class Metric(Struct, frozen=True):
    """A metric of two bundles; None where one of them lacks it."""

    name: str
    candidate: float | None
    other: float | None

    @property
    def difference(self) -> float | None:
        if self.candidate is None or self.other is None:
            return None
        return self.candidate - self.other


class Comparison(Struct, frozen=True):
    """A bundle against another: all metrics of either, and what speaks against it."""

    name: str
    other: str
    metrics: list[Metric]
    objections: list[str]


def rows(store: Path) -> list[Row]:
    """All bundles, the newest last; damaged ones as well. Raises BundleError."""
    in_use = pointer.in_use(store)
    found = [_row(store, name, name in in_use.values()) for name in bundles.names(store)]
    return sorted(found, key=lambda row: (row.made_at, row.name))


def compared(store: Path, name: str, other: str | None) -> Comparison:
    """A bundle beside another: unless told, the one in use for the same, or, if that is the bundle
    itself, the one that it took the place of. Raises BundleError."""
    candidate = usable(store, name)
    changes = pointer.history(store)
    descent = pointer.line_of_descent(changes, candidate.slot)
    against = other or next((before for before in descent[:2] if before != name), None)
    if against is None:
        raise BundleError(f"say with what to compare {name}: nothing else has been in use yet")
    incumbent = usable(store, against)
    if incumbent.kind != candidate.kind:
        raise BundleError(
            f"{name} is of kind {candidate.kind}, {against} of kind {incumbent.kind}: they have "
            "nothing to be compared by"
        )
    ours, theirs = gate.metrics(candidate), gate.metrics_beside(candidate, incumbent)
    names = sorted({**ours, **theirs}, key=_by_number)
    return Comparison(
        name,
        against,
        [Metric(key, ours.get(key), theirs.get(key)) for key in names],
        list(objections(candidate, incumbent, pointer.behind(changes, candidate.slot, against))),
    )


def damage(store: Path, name: str) -> str:
    """Why a bundle can't be used, '' if it can."""
    try:
        usable(store, name)
    except BundleError as error:
        return str(error)
    return ""


def to_verify(store: Path) -> list[str]:
    """All bundles, and those that are to be used and are not there. Raises BundleError."""
    return sorted({*bundles.names(store), *pointer.in_use(store).values()})


def slot_of_kind(store: Path, kind: str) -> str:
    """The slot of a kind that was changed last. Raises BundleError."""
    changed = [c.slot for c in pointer.history(store) if c.slot.split("/")[0] == kind]
    if not changed:
        raise BundleError(f"nothing to go back to: no {kind} was ever promoted")
    return changed[-1]


def _by_number(name: str) -> str:
    """Puts 3d before 14d."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(6), name)


def _row(store: Path, name: str, in_use: bool) -> Row:
    try:
        found = usable(store, name)
    except BundleError as error:
        return Row(name=name, in_use=in_use, damage=str(error))
    quality, calibration_error = gate.summary(found)
    return Row(
        name=name,
        in_use=in_use,
        kind=found.kind,
        made_at=found.made_at,
        encoder=found.encoder,
        quality=quality,
        calibration_error=calibration_error,
    )
