"""The learning curve, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamer.errors import DependencyMissing
from streamer.learning.tuning import Epoch

STYLES = {"train": ":", "dev": "--", "test": "-"}


def draw(epochs: Sequence[Epoch], path: Path) -> None:
    """A PNG: AUC of train, dev and test reviews and the training loss, by epoch."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DependencyMissing("matplotlib (for the learning curve)", "learning") from None
    figure = Figure(figsize=(8, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in epochs]
    for name in (key for key in epochs[0].metrics if key.startswith("auc/")):
        _, language, part = name.split("/")
        values = [epoch.metrics[name] for epoch in epochs]
        color = "tab:blue" if language == "en" else "tab:red"
        left.plot(
            numbers, values, STYLES[part], color=color, marker="o", label=f"{language} {part}"
        )
    left.set_ylabel("AUC")
    left.legend()
    right.plot(numbers, [epoch.loss for epoch in epochs], color="black", marker="o")
    right.set_ylabel("training loss (weighted cross-entropy)")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.set_xticks(numbers)
        axes.grid(True, alpha=0.3)
    figure.savefig(path, dpi=110)
