"""The curve of latency against load, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamer.bench.paced import QUANTILES, Latency
from streamer.errors import DependencyMissing

LABELS = {"p50": (-4, 5), "p99": (5, -13), "p99_9": (-4, 5)}
"""Where the numbers stand beside their points, in points; the upper two lines may be close."""


def drawable() -> None:
    """Raises DependencyMissing; asked before the work, not after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise DependencyMissing("matplotlib (for --plot)", "learning") from None


def draw(curve: Sequence[Latency], most: float, path: Path) -> None:
    """A PNG with one line a quantile; ``most`` is the rate that was found to be the highest."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    rates = [point.events_per_second for point in curve]
    for name, quantile in QUANTILES.items():
        values = [point.quantiles_ms[name] for point in curve]
        axes.plot(rates, values, marker="o", label=f"{quantile:.1%} of events".replace(".0%", "%"))
        for rate, value in zip(rates, values, strict=True):
            place = LABELS[name]
            side = "right" if place[0] < 0 else "left"
            axes.annotate(
                f"{value:,.0f}", (rate, value), place, textcoords="offset points", ha=side
            )
    axes.set_yscale("log")
    axes.margins(y=0.15)
    axes.set_xlim(0, most)
    axes.set_xticks([0, *rates, most])
    whole = FuncFormatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}\n{v / most:.0%}"))
    axes.yaxis.set_major_formatter(whole)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("load (events/s, and share of the highest rate)")
    axes.set_ylabel("from event due to score read, at most (ms)")
    axes.set_title("Event to score, one worker process")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
