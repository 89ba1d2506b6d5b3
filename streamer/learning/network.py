"""One member of the predictor's ensemble: a small network in torch, and what it is to learn.

Beside its target it learns, from the same hidden units, by how much the outcome exceeds each of a
row of bars (multi-task learning; Caruana, 1997): how far a launch went says more than whether it
was enough. Modality dropout (Volkovs et al., DropoutNet, NeurIPS 2017) masks whole modalities of
some examples in each epoch, so that a score without them is learnt and not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from streamer.recommend.network import Network

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

BATCH, LEAST = 256, 8
STEPS = 400
"""With fewer a network has hardly begun to learn."""
EPOCHS = (8, 16)
"""Of few examples more would be learnt by heart."""
EXAMPLES_AN_EPOCH = 5000
AUXILIARY = 0.5
"""What the bars' loss weighs beside the label's."""


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """``width`` hidden units in each of two layers; ``dropout`` of hidden units; ``masked`` is the
    share of examples that lose modalities in an epoch, each of them with an even chance.

    ``epochs`` are one for each EXAMPLES_AN_EPOCH examples, within EPOCHS, unless told.
    ``batch`` examples are those of one pass, over all processes: unless told BATCH, or of few
    examples about as many as make STEPS passes; ``accumulate`` passes make a step.
    ``imitation`` is the weight of what the score at a launch's first look has to learn from the
    score at this one. With a ``patience``, learning stops when so many epochs have not made the dev
    AUC better, and the best epoch is kept; without, it goes on to the end. ``mixed`` precision is
    that of a GPU unless told."""

    width: int = 48
    dropout: float = 0.05
    masked: float = 0.2
    imitation: float = 0.1
    epochs: int | None = None
    batch: int | None = None
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    accumulate: int = 1
    patience: int = 0
    mixed: bool | None = None
    seed: int = 0

    def epochs_of(self, examples: int) -> int:
        """How often so many are gone through."""
        least, most = EPOCHS
        return self.epochs or max(least, min(most, examples // EXAMPLES_AN_EPOCH))

    def batch_of(self, examples: int) -> int:
        """How many of so many are those of one pass."""
        few = self.epochs_of(examples) * examples // STEPS // LEAST * LEAST
        return self.batch or max(LEAST, min(BATCH, few))

    def settled(self, examples: int) -> NetworkOptions:
        """With what is theirs for so many."""
        return replace(self, epochs=self.epochs_of(examples), batch=self.batch_of(examples))


@dataclass(frozen=True, slots=True)
class Modality:
    """A group of inputs that may be missing together: columns of values, which become zero, and
    of those flags that there are, which become one."""

    values: Ints
    flags: Ints


def network(inputs: int, outputs: int, options: NetworkOptions) -> nn.Sequential:
    width, dropout = options.width, options.dropout
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, outputs),
    )


def targets(target: Floats, exceeds: Singles) -> Tensor:
    return torch.from_numpy(np.column_stack([target.astype(np.float32), exceeds]))


def masked(x: Tensor, modalities: Sequence[Modality], share: float) -> Tensor:
    """The inputs of a pass, some of them without some modalities."""
    x = x.clone()
    chosen = torch.rand(len(x), device=x.device) < share
    for modality in modalities:
        rows = torch.nonzero(chosen & (torch.rand(len(x), device=x.device) < 0.5))
        x[rows, torch.from_numpy(modality.values)] = 0.0
        x[rows, torch.from_numpy(modality.flags)] = 1.0
    return x


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(0)
    bars = losses[1:].mean() if len(losses) > 1 else losses.new_zeros(())
    return losses[0] + AUXILIARY * bars


def imitation(cold: Tensor, known: Tensor) -> Tensor:
    """How far logits at first looks are from those of the same launches when more was known, which
    do not learn from it: the cold score imitates the warm one, as ATNN's content tower does
    (Xin et al., ICDE 2021)."""
    return functional.binary_cross_entropy_with_logits(cold, torch.sigmoid(known))


def member(network: nn.Sequential) -> Network:
    first, second, last = (_arrays(network[place]) for place in (0, 3, 6))
    return Network(
        weights1=first[0].T.copy(),
        bias1=first[1],
        weights2=second[0].T.copy(),
        bias2=second[1],
        weights3=last[0][0],
        bias=float(last[1][0]),
    )


def _arrays(layer: nn.Module) -> tuple[Singles, Singles]:
    weight, bias = layer.parameters()
    return weight.detach().cpu().numpy().copy(), bias.detach().cpu().numpy().copy()
