"""The gate: is a bundle worse than the one in use?

Two bundles are compared by what they were measured on with the same examples and labels (equal
``test_fingerprint``), or by what the newer one's training measured of the older one beside it
(``incumbent``). A bundle passes if

1. every number the other has, it has;
2. its quality (AUC and the like), averaged over all of them, is not lower;
3. no single one is lower by more than `LEEWAY`;
4. no calibration error is above `CALIBRATED` and above the other's.

The average, because each promotion may cost nothing overall, or a hundred of them would cost much;
the leeway, because a single age's AUC of some nine thousand launches is uncertain by about as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamer.registry.bundles import Kind, Stored

LEEWAY = 0.005
CALIBRATED = 0.02

_QUALITY = {"launch": r"auc\.age_\w+", "sentiment": r"(\w+_)?(auc|macro_f1|accuracy)"}
_CALIBRATION = {"launch": r"ece\.age_\w+", "sentiment": r"(\w+_)?ece"}


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of two bundles; ``quality`` is better higher, a calibration error lower."""

    name: str
    quality: bool
    candidate: float | None
    incumbent: float


def comparison(candidate: Stored, incumbent: Stored) -> list[Measured] | None:
    """The metrics that count, side by side; None if they were not measured on the same."""
    before = _comparable(candidate, incumbent)
    if before is None:
        return None
    found: Mapping[str, float] = candidate.manifest.get("metrics", {})
    return [
        Measured(name, quality, found.get(name), before[name])
        for quality, pattern in ((True, _QUALITY), (False, _CALIBRATION))
        for name in before
        if re.fullmatch(pattern[candidate.kind], name)
    ]


def objections(candidate: Stored, incumbent: Stored) -> Iterator[str]:
    """Why the candidate is not let through, a line each; none if it is."""
    measured = comparison(candidate, incumbent)
    if not measured:
        yield (
            f"{candidate.name} was not measured on the test examples of {incumbent.name}, so "
            "nobody can say that it is not worse"
        )
        return
    missing = [m.name for m in measured if m.candidate is None]
    if missing:
        yield f"{candidate.name} was not measured for {', '.join(missing)}"
        return
    yield from _worse(candidate.kind, measured)


def _worse(kind: Kind, measured: list[Measured]) -> Iterator[str]:
    quality = [m for m in measured if m.quality]
    ours, theirs = _mean(quality, "candidate"), _mean(quality, "incumbent")
    if ours < theirs:
        yield f"it is worse on average: {ours:.4f} against {theirs:.4f} in use"
    for m in measured:
        assert m.candidate is not None
        if m.quality and ours >= theirs and m.candidate < m.incumbent - LEEWAY:
            yield f"{m.name} is {m.candidate:.4f}, {m.incumbent:.4f} in use"
        if not m.quality and m.candidate > max(CALIBRATED, m.incumbent):
            yield f"{m.name} is {m.candidate:.4f}, at most {max(CALIBRATED, m.incumbent):.4f} allowed"


def _mean(measured: list[Measured], side: str) -> float:
    values = [getattr(m, side) for m in measured]
    return float(sum(values) / len(values)) if values else 0.0


def _comparable(candidate: Stored, incumbent: Stored) -> Mapping[str, float] | None:
    """The incumbent's metrics on what the candidate was measured on."""
    beside: Any = candidate.manifest.get("incumbent") or {}
    if beside.get("name") == incumbent.name:
        measured: Mapping[str, float] = beside["metrics"]
        return measured
    ours, theirs = (b.manifest.get("test_fingerprint") for b in (candidate, incumbent))
    return incumbent.manifest.get("metrics", {}) if ours and ours == theirs else None
