"""What a predictor's P is of, in training and live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.state.layout import DAY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COHORTS_FROM = 1_483_228_800.0
"""2017-01-01 (UTC), from which cohorts are counted whatever a log holds: a launch is of the same
cohort in each training, however much of its log is retained, and live."""


@dataclass(frozen=True, slots=True)
class Success:
    """More of the ``outcome`` within ``horizon_days`` of the launch than the ``quantile`` of the
    launches of the same ``cohort_days``."""

    horizon_days: float = 56.0
    cohort_days: float = 30.0
    quantile: float = 0.8
    outcome: str = "buyers"

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Success:
        """As a bundle's manifest says under ``success``."""
        told = manifest.get("success", {})
        return cls(**{name: told[name] for name in cls.__slots__ if name in told})

    @property
    def words(self) -> str:
        return (
            f"{self.outcome} in {self.horizon_days:g} days above {100 * self.quantile:g} % of the "
            f"launches of the same {self.cohort_days:g} days"
        )

    def cohort(self, launch: Floats) -> Ints:
        """The number of each launch's cohort; ``launch`` in seconds since the epoch."""
        return ((launch - COHORTS_FROM) / DAY // self.cohort_days).astype(np.int64)

    def begins(self, cohort: int) -> float:
        """When a cohort's launches begin, in seconds since the epoch."""
        return COHORTS_FROM + cohort * self.cohort_days * DAY

    def known_at(self, cohort: Ints) -> Floats:
        """When the last item that may belong to each cohort has passed its horizon: no bar is known
        earlier."""
        ended = cohort.astype(np.float64) + 1
        return COHORTS_FROM + (ended * self.cohort_days + self.horizon_days) * DAY
