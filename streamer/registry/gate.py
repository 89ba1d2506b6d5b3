"""The gate: is a bundle worse than the one in use?

Two bundles are compared by what they were measured on with the same examples and labels (equal
``test_fingerprint``), or by what the newer one's training measured of the older one beside it
(``incumbent``). A bundle passes if

1. every number that the other has, it has;
2. its quality (AUC and the like), averaged over all of them, is not lower by more than `NOISE`, and
   no single one by more than `LEEWAY`; what the other was let through with below the one before it
   counts (``behind``), so many small losses are no large one;
3. its calibration errors on average are not above the other's, and no single one by more than
   `LEEWAY`; below `CALIBRATED` they don't count.

`NOISE` is what another seed makes of the same data (measured: 0.0005); `LEEWAY` about what a single
number is uncertain by on some nine thousand launches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from statistics import fmean
from typing import Any

from streamer.registry.bundles import Kind, Stored

NOISE = 0.001
LEEWAY = 0.005
CALIBRATED = 0.02

_QUALITY: Mapping[Kind, str] = {
    "launch": r"auc\.age_\w+",
    "sentiment": r"(\w+_)?(auc|macro_f1|accuracy)",
}
_CALIBRATION: Mapping[Kind, str] = {"launch": r"ece\.age_\w+", "sentiment": r"(\w+_)?ece"}

Metrics = Mapping[str, float]


def metrics(bundle: Stored) -> Metrics:
    """What a bundle was measured at; what is no finite number was not measured."""
    return _finite(bundle.manifest.get("metrics", {}))


def metrics_beside(candidate: Stored, incumbent: Stored) -> Metrics:
    """What another bundle was measured at, on the candidate's test examples if that is known."""
    beside: Any = candidate.manifest.get("incumbent") or {}
    if beside.get("name") == incumbent.name:
        return _finite(beside["metrics"])
    return metrics(incumbent)


def _finite(found: Mapping[str, Any]) -> Metrics:
    return {k: v for k, v in found.items() if isinstance(v, int | float) and isfinite(v)}


def summary(bundle: Stored) -> tuple[float | None, float | None]:
    """The mean of the quality metrics and the largest calibration error; None without any."""
    quality = list(_chosen(_QUALITY[bundle.kind], metrics(bundle)).values())
    errors = list(_chosen(_CALIBRATION[bundle.kind], metrics(bundle)).values())
    return (fmean(quality) if quality else None), max(errors, default=None)


def objections(candidate: Stored, incumbent: Stored, behind: float = 0.0) -> Iterator[str]:
    """Why the candidate is not let through, a line each; none if it is. The incumbent is so much
    ``behind`` the best on its line of descent."""
    kind, ours, theirs = candidate.kind, metrics(candidate), metrics_beside(candidate, incumbent)
    quality = _chosen(_QUALITY[kind], theirs)
    errors = _chosen(_CALIBRATION[kind], theirs)
    if not quality or not _comparable(candidate, incumbent):
        yield (
            f"it was not measured on the test examples of {incumbent.name}, so nobody can say "
            "that it is not worse"
        )
    elif missing := [name for name in {**quality, **errors} if name not in ours]:
        yield f"it was not measured for {', '.join(missing)}"
    else:
        yield from _lower(ours, quality, behind)
        yield from _uncalibrated(ours, errors)


def behind_best(candidate: Stored, incumbent: Stored, behind: float) -> float:
    """How much a candidate without objections is behind the best on its line of descent, where the
    incumbent is so much ``behind`` it. Losses add up over test examples that change, since each was
    measured on the same examples as the one before."""
    theirs = _chosen(_QUALITY[candidate.kind], metrics_beside(candidate, incumbent))
    mean, other = _means(metrics(candidate), theirs)
    return round(max(0.0, behind + other - mean), 6)


def _lower(ours: Metrics, theirs: Metrics, behind: float) -> Iterator[str]:
    mean, other = _means(ours, theirs)
    if mean < other + behind - NOISE:
        told = f", which is {behind:.4f} behind the best before it" if behind else ""
        yield f"it is worse on average: {mean:.4f} against {other:.4f} in use{told}"
        return
    for name, value in theirs.items():
        if ours[name] < value - LEEWAY:
            yield f"{name} is {ours[name]:.4f}, {value:.4f} in use"


def _uncalibrated(ours: Metrics, theirs: Metrics) -> Iterator[str]:
    if not theirs:
        return
    mean, other = _means(ours, theirs)
    if mean > max(CALIBRATED, other):
        yield f"it is calibrated worse on average: {mean:.4f} against {other:.4f} in use"
        return
    for name, value in theirs.items():
        allowed = max(CALIBRATED, value + LEEWAY)
        if ours[name] > allowed:
            yield f"{name} is {ours[name]:.4f}, at most {allowed:.4f} allowed"


def _means(ours: Metrics, theirs: Metrics) -> tuple[float, float]:
    """Over the numbers that the other has."""
    return fmean(ours[name] for name in theirs), fmean(theirs.values())


def _chosen(pattern: str, found: Metrics) -> dict[str, float]:
    return {name: value for name, value in found.items() if re.fullmatch(pattern, name)}


def _comparable(candidate: Stored, incumbent: Stored) -> bool:
    beside: Any = candidate.manifest.get("incumbent") or {}
    ours, theirs = (b.manifest.get("test_fingerprint") for b in (candidate, incumbent))
    return beside.get("name") == incumbent.name or bool(ours and ours == theirs)
