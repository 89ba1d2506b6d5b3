"""Fine-tunes an encoder on labelled texts: the loop, its checkpoints and when it stops."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from streamer.encoding.tokenizer import Tokens
from streamer.learning import checkpoints
from streamer.learning.curve import Epoch
from streamer.learning.device import device, half, scaler
from streamer.learning.steps import Steps
from streamer.learning.tensorboard import Board
from streamer.learning.tunable import Method, Tunable

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Places = NDArray[np.int64]

ROUND_TOKENS = 8
SAVE_SECONDS = 240.0
CLIP = 1.0
DECAY = 0.01
RATES = {Method.LORA: 6e-4, Method.ADALORA: 1.5e-3, Method.FULL: 5e-5}
"""Learning rates unless told."""


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """``batch_tokens`` are those of one pass; ``accumulate`` passes make a step. Learning stops
    when ``patience`` epochs have not made the dev AUC better."""

    method: Method = Method.LORA
    epochs: int = 3
    learning_rate: float = 0.0
    rank: int = 16
    batch_tokens: int = 2048
    accumulate: int = 1
    patience: int = 1
    warmup: float = 0.06
    class_weights: bool = True
    seed: int = 0

    @property
    def rate(self) -> float:
        return self.learning_rate or RATES[self.method]


@dataclass(frozen=True, slots=True)
class Examples:
    """Tokenised texts with labels and the weight of each in the loss."""

    tokens: Sequence[Tokens]
    label: Labels
    weight: Floats


@dataclass(slots=True)
class Progress:
    """Where the learning is; all that a checkpoint keeps beside tensors."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    best: float = -math.inf
    best_epoch: int = 0
    epochs: list[Epoch] = field(default_factory=list)


Judge = Callable[[Tunable, Floats, int], dict[str, float]]
"""Metrics of the model as it is, ``dev`` among them: what is to grow. Also gets the logits that the
training texts had while they were learnt from, and the number of the epoch, from 1."""


class Tuner:
    """Learns from ``examples``; ``judge`` looks at the model after every epoch."""

    def __init__(
        self,
        model: Tunable,
        examples: Examples,
        options: TuneOptions,
        judge: Judge,
        folder: Path,
        watch: Callable[[str, float, int], None] = lambda name, value, step: None,
    ) -> None:
        self.model, self.examples, self.options = model, examples, options
        self.progress = Progress()
        self._judge, self._folder, self._watch = judge, folder, watch
        self._device = device()
        self._logits = np.full(len(examples.label), np.nan)
        model.to(self._device)
        self._optimizer = torch.optim.AdamW(_groups(model), lr=options.rate)
        total = steps(examples, options)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: _shape(step, total, options.warmup)
        )
        self._scaler = scaler(self._device)
        self._best: dict[str, Tensor] = {}
        self._saved_at = time.monotonic()

    def resume(self) -> bool:
        """Goes on from the folder's checkpoint, if there is one. Raises ConfigurationError for one
        of other options or examples."""
        found = checkpoints.load(self._folder, self._identity())
        if found is None:
            return False
        self.model.load_state_dict(found["model"], strict=False)
        self.model.set_ranks(found["ranks"])
        for name, part in self._parts().items():
            part.load_state_dict(found[name])
        self._best, self._logits = found["best"], found["logits"]
        self.progress = found["progress"]
        torch.set_rng_state(found["rng"])
        torch.cuda.set_rng_state_all(found["rng_of_gpus"][: torch.cuda.device_count()])
        return True

    def run(self, told: Callable[[int], None]) -> list[Epoch]:
        """Learns until the epochs are over or better no more, and leaves the model at its best.
        ``told`` is told how many batches are done."""
        while self.progress.epoch < self.options.epochs and not self._stale():
            self._epoch(told)
        self.model.load_state_dict(self._best, strict=False)
        return self.progress.epochs

    def _epoch(self, told: Callable[[int], None]) -> None:
        at, started = self.progress, time.monotonic()
        plan = batches(self.examples, self.options, at.epoch)
        self.model.train()
        for batch in plan[at.batch :]:
            last = at.batch + 1 == len(plan)
            at.loss_sum += self._pass(batch, last)
            at.batch += 1
            told(at.epoch * len(plan) + at.batch)
            stepped = at.batch % self.options.accumulate == 0
            if stepped and time.monotonic() - self._saved_at > SAVE_SECONDS:
                at.seconds += time.monotonic() - started
                started = time.monotonic()
                self._save()
        at.seconds += time.monotonic() - started
        self._look(Epoch(at.epoch + 1, at.loss_sum / len(plan), at.seconds))
        at.epoch, at.batch, at.loss_sum, at.seconds = at.epoch + 1, 0, 0.0, 0.0
        self._save()

    def _pass(self, batch: Places, last: bool) -> float:
        """One batch forward and backward, and a step where enough have come together."""
        ids, mask = self._padded(batch)
        label = self._tensor(self.examples.label[batch])
        weight = self._tensor(self.examples.weight[batch])
        with torch.autocast(self._device.type, half(self._device)):
            logits = self.model(ids, mask)
        losses = functional.binary_cross_entropy_with_logits(logits, label, reduction="none")
        loss = (losses * weight).mean()
        whole = (loss + self.model.extra_loss()) / self.options.accumulate
        self._scaler.scale(whole).backward()  # type: ignore[no-untyped-call]
        self._logits[batch] = logits.detach().cpu().numpy()
        if last or (self.progress.batch + 1) % self.options.accumulate == 0:
            self._step()
        return float(loss.detach())

    def _step(self) -> None:
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.learns().values(), CLIP)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._scheduler.step()
        self.progress.step += 1
        self.model.after_step(self.progress.step)
        self._optimizer.zero_grad(set_to_none=True)

    def _look(self, epoch: Epoch) -> None:
        self.model.eval()
        epoch.metrics = self._judge(self.model, self._logits, epoch.number)
        at = self.progress
        at.epochs.append(epoch)
        self._watch("loss/train", epoch.loss, epoch.number)
        for name, value in epoch.metrics.items():
            self._watch(name, value, epoch.number)
        if epoch.metrics["dev"] > at.best:
            at.best, at.best_epoch = epoch.metrics["dev"], epoch.number
            self._best = {name: each.detach().clone() for name, each in self.model.learns().items()}

    def _stale(self) -> bool:
        done = self.progress.epoch
        return done > 0 and done - self.progress.best_epoch >= self.options.patience

    def _padded(self, batch: Places) -> tuple[Tensor, Tensor]:
        texts = [self.examples.tokens[place] for place in batch.tolist()]
        longest = _rounded(max(map(len, texts)))
        ids = torch.zeros((len(texts), longest), dtype=torch.int64)
        mask = torch.zeros((len(texts), longest), dtype=torch.int64)
        for row, tokens in enumerate(texts):
            ids[row, : len(tokens)] = torch.from_numpy(tokens.astype(np.int64))
            mask[row, : len(tokens)] = 1
        return ids.to(self._device), mask.to(self._device)

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self._device)

    def _parts(self) -> dict[str, Any]:
        return {
            "optimizer": self._optimizer,
            "scheduler": self._scheduler,
            "scaler": self._scaler,
        }

    def _save(self) -> None:
        learnt = {name: each.detach() for name, each in self.model.learns().items()}
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        state = {"model": learnt, "ranks": self.model.ranks(), "best": self._best, **parts}
        dice = {"rng": torch.get_rng_state(), "rng_of_gpus": torch.cuda.get_rng_state_all()}
        whole = {**state, **dice, "logits": self._logits, "progress": self.progress}
        checkpoints.save(self._folder, self._identity(), whole)
        self._saved_at = time.monotonic()

    def _identity(self) -> str:
        encoder = self.model.weights.fingerprint
        return checkpoints.identity(
            (encoder, self.options), self.examples.tokens, self.examples.label
        )


def tuned(
    model: Tunable,
    examples: Examples,
    options: TuneOptions,
    judge: Judge,
    run: Path,
    watch: Steps,
    say: Callable[[str], None],
    *,
    resume: bool,
) -> Tuner:
    """Fine-tunes the model, or goes on with it, and keeps in ``run`` what it comes to."""
    with Board(run) as board:
        tuner = Tuner(model, examples, options, judge, run, board.add)
        if resume and tuner.resume():
            say(f"goes on in epoch {tuner.progress.epoch + 1}, batch {tuner.progress.batch}")
        with watch.step(f"fine-tune ({options.method})", passes(examples, options)) as told:
            tuner.run(told)
    return tuner


def balanced(label: Labels) -> Floats:
    """Weights by which both classes weigh the same."""
    share = np.bincount(label, minlength=2) / len(label)
    found: Floats = 0.5 / share[label]
    return found


def passes(examples: Examples, options: TuneOptions) -> int:
    """Batches that learning from these examples goes through in all epochs."""
    return sum(len(batches(examples, options, epoch)) for epoch in range(options.epochs))


def steps(examples: Examples, options: TuneOptions) -> int:
    """Optimizer steps that learning from these examples takes in all epochs."""
    plans = (batches(examples, options, epoch) for epoch in range(options.epochs))
    return sum(-(-len(plan) // options.accumulate) for plan in plans)


def batches(examples: Examples, options: TuneOptions, epoch: int) -> list[Places]:
    """The places of each batch of an epoch: the same for the same seed.

    Texts of a batch are of one length, rounded up, and there are as many as fill it: few shapes
    ever occur (each new one costs oneDNN a kernel). What fills no batch goes up a length.
    """
    rng = random.Random(f"{options.seed}-{epoch}")
    by_length: dict[int, list[int]] = {}
    for place, tokens in enumerate(examples.tokens):
        by_length.setdefault(_rounded(len(tokens)), []).append(place)
    found: list[list[int]] = []
    left: list[int] = []
    for length in sorted(by_length):
        texts = left + by_length[length]
        rng.shuffle(texts)
        size = max(1, options.batch_tokens // length)
        whole = len(texts) - len(texts) % size
        found += [texts[start : start + size] for start in range(0, whole, size)]
        left = texts[whole:]
    if left:
        found.append(left)
    rng.shuffle(found)
    return [np.array(batch) for batch in found]


def _rounded(length: int) -> int:
    return -(-length // ROUND_TOKENS) * ROUND_TOKENS


def _groups(model: Tunable) -> list[dict[str, Any]]:
    """Weights decay; biases and norms don't."""
    learns = list(model.learns().values())
    return [
        {"params": [p for p in learns if p.dim() > 1], "weight_decay": DECAY},
        {"params": [p for p in learns if p.dim() <= 1], "weight_decay": 0.0},
    ]


def _shape(step: int, steps: int, warmup: float) -> float:
    """Up in a line, then down along a cosine."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))
