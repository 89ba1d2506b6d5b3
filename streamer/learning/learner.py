"""How a network of the predictor's ensemble learns: steps, precision, processes, when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.learning import network, ranks
from streamer.learning.curve import Epoch
from streamer.learning.device import device, half, scaler
from streamer.learning.metrics import auc
from streamer.learning.network import Modality, NetworkOptions
from streamer.recommend.network import Network

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

_WARMUP = 0.1
_APART = 1_000_003
"""Between the seeds of two processes."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What a network learns from: ``inputs`` (rows, I); ``target`` (rows,), a probability;
    ``exceeds`` (rows, bars), 0 or 1; the ``modalities`` that inputs may lack; ``first`` (rows,), the
    row of the first look at the same launch, where there are several."""

    inputs: Singles
    target: Floats
    exceeds: Singles
    modalities: Sequence[Modality] = ()
    first: Ints | None = None

    def at(self, rows: Ints) -> Examples:
        """Some of them, in order; with a launch its first look."""
        first = None if self.first is None else np.searchsorted(rows, self.first[rows])
        parts = self.inputs[rows], self.target[rows], self.exceeds[rows]
        return Examples(*parts, self.modalities, first)


@dataclass(frozen=True, slots=True)
class Dev:
    """Examples that are only looked at, after every epoch: ``inputs`` (rows, I) and ``label``."""

    inputs: Singles
    label: Ints


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices this small gain nothing by a second thread, and threads that wait for one another at
    every product take many times as long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def learn(
    examples: Examples,
    options: NetworkOptions,
    dev: Dev | None = None,
    told: Callable[[Epoch], None] = lambda _: None,
) -> Network:
    """``told`` is told of every epoch; its metric ``dev`` is the AUC on ``dev``.

    Processes that learn together (see `ranks`) must all call this with the same arguments.
    """
    learner = _Learner(examples, options)
    best, best_epoch, kept = -np.inf, 0, learner.member()
    for number in range(1, learner.epochs + 1):
        started = time.monotonic()
        epoch = Epoch(number, learner.epoch(), time.monotonic() - started)
        now = learner.member()
        if dev is not None:
            epoch.metrics["dev"] = ranks.shared(auc(dev.label, now(dev.inputs)))
        told(epoch)
        value = epoch.metrics["dev"] if dev is not None and options.patience else number
        if not value <= best:
            best, best_epoch, kept = value, number, now
        elif number - best_epoch >= options.patience:
            break
    return kept


def _warmup(steps: int) -> float:
    """The share of steps in which the rate rises; never one step, since torch divides by what it
    takes beyond that."""
    return min(0.4, max(_WARMUP, 1.5 / steps))


class _Learner:
    def __init__(self, examples: Examples, options: NetworkOptions) -> None:
        self._device = device()
        torch.manual_seed(options.seed)
        self._order = torch.Generator().manual_seed(options.seed)
        self._options, self._modalities = options, examples.modalities
        targets = network.targets(examples.target, examples.exceeds)
        self._x = torch.from_numpy(examples.inputs).to(self._device)
        self._targets = targets.to(self._device)
        first = examples.first if options.imitation else None
        self._first = None if first is None else torch.from_numpy(first).to(self._device)
        self._network = network.network(self._x.shape[1], targets.shape[1], options)
        self._network.to(self._device).train()
        self._parallel = ranks.parallel(self._network)
        # All processes start alike, then each masks in its own way.
        torch.manual_seed(options.seed + _APART * ranks.rank())
        batch = min(options.batch_of(len(self._x)), len(self._x))
        self._size = max(1, batch // ranks.count()) * ranks.count()
        self._passes = len(self._x) // self._size
        self.epochs = options.epochs_of(len(self._x))
        steps = self.epochs * -(-self._passes // options.accumulate)
        rate = options.learning_rate
        weights = self._network.parameters()
        self._optimizer = torch.optim.AdamW(weights, rate, weight_decay=options.weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, rate, steps, pct_start=_warmup(steps)
        )
        self._mixed = options.mixed if options.mixed is not None else self._device.type == "cuda"
        self._scaler = scaler(self._device)

    def epoch(self) -> float:
        """Goes through the examples once. Returns the mean loss."""
        order = torch.randperm(len(self._x), generator=self._order).to(self._device)
        total = torch.zeros((), device=self._device)
        for done in range(1, self._passes + 1):
            rows = order[(done - 1) * self._size : done * self._size]
            total += self._pass(rows[ranks.rank() :: ranks.count()])
            if done % self._options.accumulate == 0 or done == self._passes:
                self._step()
        return float(total) / self._passes

    def _pass(self, rows: Tensor) -> Tensor:
        """One batch forward and backward. Returns its loss."""
        x = network.masked(self._x[rows], self._modalities, self._options.masked)
        if self._first is not None:
            x = torch.cat([x, self._x[self._first[rows]]])
        with torch.autocast(self._device.type, half(self._device), enabled=self._mixed):
            logits = self._parallel(x).float()
        loss = network.loss(logits[: len(rows)], self._targets[rows])
        if self._first is not None:
            cold, known = logits[len(rows) :, 0], self._known(rows)
            loss += self._options.imitation * network.imitation(cold, known)
        self._scaler.scale(loss / self._options.accumulate).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    @torch.no_grad()
    def _known(self, rows: Tensor) -> Tensor:
        """The logits of what is known now, nothing masked and nothing dropped out."""
        self._network.eval()
        logits: Tensor = self._network(self._x[rows])[:, 0]
        self._network.train()
        return logits

    def _step(self) -> None:
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._schedule.step()
        self._optimizer.zero_grad(set_to_none=True)

    def member(self) -> Network:
        return network.member(self._network)
