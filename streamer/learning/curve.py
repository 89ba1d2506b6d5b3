"""What epochs came to, and the learning curve as a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

from streamer.errors import DependencyMissing
from streamer.learning.tensorboard import Board

STYLES = {"train": ":", "dev": "--", "test": "-"}


@dataclass(slots=True)
class Epoch:
    """What an epoch came to: mean training loss, and metrics; those named ``auc/WHO/PART`` are
    drawn, PART being one of train, dev and test."""

    number: int
    loss: float
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)


class Curves:
    """Keeps every epoch of several networks, and shows them on a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._runs: defaultdict[str, list[Epoch]] = defaultdict(list)

    def __call__(self, name: str, epoch: Epoch) -> None:
        self._runs[name].append(epoch)
        self._board.add(f"loss/{name}/train", epoch.loss, epoch.number)
        if "dev" in epoch.metrics:
            epoch.metrics[f"auc/{name}/dev"] = epoch.metrics["dev"]
            self._board.add(f"auc/{name}/dev", epoch.metrics["dev"], epoch.number)

    def draw(self) -> bytes:
        return draw(list(self._runs.values()))


def draw(runs: Sequence[Sequence[Epoch]]) -> bytes:
    """A PNG of one or several models' AUC and training loss, by epoch. Raises DependencyMissing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DependencyMissing("matplotlib (for the learning curve)", "learning") from None
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours: dict[str, str] = {}
    for epochs in runs:
        numbers = [epoch.number for epoch in epochs]
        for name in (key for key in epochs[0].metrics if key.startswith("auc/")):
            _, who, part = name.split("/")
            colour = colours.setdefault(who, f"C{len(colours)}")
            values = [epoch.metrics[name] for epoch in epochs]
            left.plot(
                *(numbers, values, STYLES[part]), color=colour, marker="o", label=f"{who} {part}"
            )
        right.plot(numbers, [epoch.loss for epoch in epochs], color="black", marker="o", alpha=0.5)
    left.set_ylabel("AUC")
    left.legend(fontsize=7)
    right.set_ylabel("training loss (weighted cross-entropy)")
    longest = max(len(epochs) for epochs in runs)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.set_xticks(range(1, longest + 1))
        axes.grid(True, alpha=0.3)
    picture = BytesIO()
    figure.savefig(picture, dpi=110)
    return picture.getvalue()
