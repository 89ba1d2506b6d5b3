"""The series that our processes export, as the code registers them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

import streamer
from streamer import metrics

SCRAPED = frozenset({"job", "instance"})
"""Labels that Prometheus adds to what it scrapes."""


@dataclass(frozen=True)
class Series:
    labels: frozenset[str]
    kind: str


def series() -> dict[str, Series]:
    """Every series that something in the package writes, by name."""
    own = {id(metric): name for name, metric in vars(metrics).items()}
    found: dict[str, Series] = {}
    for collector in list(REGISTRY._collector_to_names):
        attribute = own.get(id(collector))
        if attribute is None or attribute in _written():
            found |= _series_of(collector)
    return found


def _series_of(collector: Any) -> dict[str, Series]:
    labels = frozenset(getattr(collector, "_labelnames", ()))
    found = {}
    for family in collector.collect():
        own = labels or frozenset(label for s in family.samples for label in s.labels) - {"le"}
        if family.type == "histogram":
            found[f"{family.name}_bucket"] = Series(own | SCRAPED | {"le"}, "counter")
            found |= {
                f"{family.name}{end}": Series(own | SCRAPED, "counter")
                for end in ("_sum", "_count")
            }
        else:
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = Series(own | SCRAPED, family.type)
    return found


def _written() -> set[str]:
    """Metrics that some module uses; one that is only registered never has a value."""
    sources = Path(streamer.__file__).parent.rglob("*.py")
    return {
        name for file in sources for name in re.findall(r"\bmetrics\.([A-Z_]+)", file.read_text())
    }


def label_values() -> dict[str, set[str]]:
    """The values of those labels whose values are fixed by the code."""
    from typing import get_args

    from streamer.encoder_metrics import PrometheusObserver
    from streamer.encoding.observer import Outcome
    from streamer.topology import TOPICS

    PrometheusObserver().batch(texts=1, tokens=1, computed=2, seconds=0.1)
    tokens = [s for family in metrics.ENCODER_TOKENS.collect() for s in family.samples]
    return {
        "topic": {topic.name for topic in TOPICS},
        "outcome": {*get_args(Outcome), "applied", "duplicate", "dead"},
        "of": {sample.labels["of"] for sample in tokens},
    }
