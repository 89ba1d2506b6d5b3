"""Fine-tunes the encoder on the launches themselves: from a description to success.

It is kept, as an encoder of its own, only where trees that read everything else, too, rank the
later launches better with its vectors than with those of the encoder as it was.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.encoding import weights as encoders
from streamer.encoding.backends import Backend
from streamer.encoding.encoder import Encoder
from streamer.encoding.projection import normalised
from streamer.encoding.tokenizer import Tokens
from streamer.learning.baselines import TREES, Given
from streamer.learning.dataset import Dataset
from streamer.learning.evaluate import Row, draws_of, ranked
from streamer.learning.examples import Origin, examples
from streamer.learning.metrics import Interval, auc
from streamer.learning.pooled import pooled_tokens
from streamer.learning.steps import Steps, summing
from streamer.learning.study import Study
from streamer.learning.tunable import Tunable
from streamer.learning.tuning import Examples, TuneOptions, balanced, steps, tuned
from streamer.settings import Settings

Floats = NDArray[np.float64]

DEV_SHARE = 0.15
"""The latest of the launches that are learnt from say when learning stops."""
FROZEN, TUNED = "the encoder as it is", "fine-tuned on launches"


@dataclass(frozen=True, slots=True)
class Adapted:
    """How trees rank the later launches with the vectors of either encoder; ``folder`` is where the
    new one is, if it was kept."""

    frozen: Row
    tuned: Row
    folder: Path | None = None

    @property
    def lead(self) -> Interval:
        """By how much the tuned one's AUC is above the other's, in the mean over ages."""
        ages = self.frozen.areas
        return Interval.of(
            np.mean([self.tuned.areas[age] - self.frozen.areas[age] for age in ages], axis=0)
        )


@dataclass(frozen=True, slots=True)
class Descriptions:
    """The descriptions, tokenised, of the launches that have one to their last look: what is said
    of others later is not what was read of them first. ``fitted`` and ``dev`` are places of those
    that can be read and are learnt from, the latest of them ``dev``; ``label`` is theirs alone."""

    items: Sequence[str]
    tokens: Sequence[Tokens | None]
    label: NDArray[np.int64]
    fitted: NDArray[np.int64]
    dev: NDArray[np.int64]

    def examples(self, *, class_weights: bool) -> Examples:
        tokens = [each for p in self.fitted.tolist() if (each := self.tokens[p]) is not None]
        label = self.label[self.fitted]
        return Examples(tokens, label, balanced(label) if class_weights else np.ones(len(label)))

    def vectors(self, backend: Backend, width: int, budget: int) -> dict[str, NDArray[np.float32]]:
        """The embedding of each launch that can be read, by item, as it goes on the wire."""
        found = normalised(pooled_tokens(backend, self.tokens, width, budget)).astype(np.float16)
        return {
            item: vector.astype(np.float32)
            for item, vector, tokens in zip(self.items, found, self.tokens, strict=True)
            if tokens is not None
        }


def adapt(
    settings: Settings,
    study: Study,
    options: TuneOptions,
    run: Path,
    seeds: int,
    resamples: int,
    watch: Steps,
    say: Callable[[str], None],
    *,
    resume: bool,
) -> Adapted:
    """Fine-tunes the encoder on a study's launches and compares, by trees of so many ``seeds``.

    ``run`` keeps checkpoints, TensorBoard's events and, if it is kept, the encoder. Raises
    ConfigurationError, DependencyMissing, BundleError.
    """
    data, of = examples(settings, study, watch)
    encoder = Encoder.open(settings)
    read = _descriptions(data, of, encoder)
    tunable = _tuned(encoder, read, options, run, watch, say, resume=resume)
    budget = encoder.batch_tokens
    vectors = read.vectors(tunable.backend(), encoder.weights.dimensions, budget)
    train, test = (each.where(np.isin(each.item, list(vectors))) for each in (data, of.test))
    given = Given(train, test, of.found.words, seed=0)
    other = replace(given, train=reread(train, vectors), test=reread(test, vectors))
    draws, unseen = draws_of(test, resamples), study.unseen_from_day
    with watch.step("trees", 2 * seeds) as told:
        done = summing(told)

        def by_trees(name: str, each: Given) -> Row:
            scores = []
            for seed in range(seeds):
                scores.append(TREES.rank(replace(each, seed=seed)))
                done(1)
            return ranked(name, test, scores, draws, None, unseen)

        adapted = Adapted(by_trees(FROZEN, given), by_trees(TUNED, other))
    if not adapted.lead.least > 0:
        return adapted
    folder = run / time.strftime("encoder-%Y%m%d-%H%M%S", time.gmtime())
    return replace(adapted, folder=_kept(encoder.weights, tunable, folder))


def reread(data: Dataset, vectors: dict[str, NDArray[np.float32]]) -> Dataset:
    """The same examples with these vectors where there was one."""
    content = data.content.copy()
    for row in np.flatnonzero(~np.isnan(content[:, 0])).tolist():
        content[row] = vectors[str(data.item[row])]
    return replace(data, content=content)


def _descriptions(data: Dataset, of: Origin, encoder: Encoder) -> Descriptions:
    tokenizer, words = encoder.description.tokenizer, of.found.words
    described = Counter(item for item, _ in of.found.descriptions)
    items = [item for item in words if described[item] == 1]
    tokens = tokenizer.tokenize([tokenizer.clean(words[item]) for item in items])
    ids, first = np.unique(data.item, return_index=True)
    launched = dict(zip(ids.tolist(), data.launch_day[first].tolist(), strict=True))
    labels = dict(zip(ids.tolist(), data.label[first].tolist(), strict=True))
    known = [p for p, item in enumerate(items) if item in labels and tokens[p] is not None]
    known.sort(key=lambda place: launched[items[place]])
    dev = round(len(known) * DEV_SHARE)
    label = np.array([labels.get(item, 0) for item in items], np.int64)
    return Descriptions(
        items, tokens, label, np.array(known[: len(known) - dev]), np.array(known[-dev:])
    )


def _tuned(
    encoder: Encoder,
    read: Descriptions,
    options: TuneOptions,
    run: Path,
    watch: Steps,
    say: Callable[[str], None],
    *,
    resume: bool,
) -> Tunable:
    taught = read.examples(class_weights=options.class_weights)
    torch.manual_seed(options.seed)
    tunable = Tunable(encoder.weights, options.method, options.rank, steps(taught, options))

    def judge(model: Tunable, seen: Floats, epoch: int) -> dict[str, float]:
        tokens = [read.tokens[place] for place in read.dev.tolist()]
        states = pooled_tokens(
            model.backend(), tokens, encoder.weights.dimensions, encoder.batch_tokens
        )
        logits = states @ model.head.weight.detach().float().cpu().numpy()[0]
        found = {
            "auc/launches/train": auc(taught.label, seen),
            "auc/launches/dev": auc(read.label[read.dev], logits.astype(np.float64)),
        }
        say("AUC: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
        return found | {"dev": found["auc/launches/dev"]}

    tuned(tunable, taught, options, judge, run, watch, say, resume=resume)
    return tunable


def _kept(weights: encoders.Weights, tunable: Tunable, folder: Path) -> Path:
    from safetensors.torch import save

    tensors = {name: tensor.contiguous() for name, tensor in tunable.tensors().items()}
    encoders.write(weights, save(tensors), folder)
    return folder
