"""What running processes tell about themselves: their metrics and their memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

LAG = "streamer_lag_records"
LATENCY = "streamer_event_to_score_seconds"


@dataclass(slots=True)
class Scraped:
    """Counters summed over processes and labels, the latency histogram (bound → count), and how
    many records wait in the topics that the processes hold; ``lag`` is None if none holds any."""

    totals: Counter[str] = field(default_factory=Counter)
    latency: Counter[float] = field(default_factory=Counter)
    lag: int | None = None

    def latency_seconds(self, quantile: float) -> float:
        """The latency below which this share of events stayed, to within a bucket; NaN if none."""
        bounds = sorted(self.latency)
        whole = self.latency[bounds[-1]] if bounds else 0
        if not whole:
            return float("nan")
        return next(bound for bound in bounds if self.latency[bound] >= quantile * whole)


def scrape(ports: Iterable[int]) -> Scraped:
    """Reads /metrics of the processes that answer."""
    scraped = Scraped()
    for port in ports:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
                text = answer.read().decode()
        except (URLError, OSError):
            continue
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"{LATENCY}_bucket":
                    scraped.latency[float(sample.labels["le"])] += int(sample.value)
                elif sample.name == LAG:
                    scraped.lag = (scraped.lag or 0) + int(sample.value)
                elif sample.name.endswith("_total"):
                    scraped.totals[sample.name] += sample.value  # type: ignore[assignment]
    return scraped


def peak_memory_mb(pid: int) -> float:
    """The largest resident set a process has had, in MiB; NaN where the system does not tell."""
    return _status_mb(pid, "VmHWM:")


def memory_mb(pid: int) -> float:
    """The resident set of a process, in MiB; NaN where the system does not tell."""
    return _status_mb(pid, "VmRSS:")


def _status_mb(pid: int, name: str) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return float("nan")
    line = next((line for line in status.splitlines() if line.startswith(name)), "")
    return int(line.split()[1]) / 1024 if line else float("nan")
