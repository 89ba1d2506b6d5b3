"""A fine-tuned encoder's way from reviews to a bundle: what is learnt from, looked at and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from streamer.encoding.backends import Backend
from streamer.encoding.encoder import Encoder
from streamer.encoding.model import Model
from streamer.encoding.sentiment import Head
from streamer.encoding.tokenizer import Tokens
from streamer.encoding.weights import Weights
from streamer.learning import curve
from streamer.learning.finetune import Learnt, Tuned, as_baseline, finish, frozen, sources
from streamer.learning.judging import Splits, judge, report
from streamer.learning.metrics import auc
from streamer.learning.pooled import pooled_tokens
from streamer.learning.sentiment_head import threshold
from streamer.learning.steps import Steps
from streamer.learning.tunable import Tunable
from streamer.learning.tuning import Examples, TuneOptions, Tuner, balanced, steps, tuned
from streamer.registry.bundles import CURVE
from streamer.settings import Settings

Floats = NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Set:
    """One language with its texts tokenised; ``fitted`` are the readable ones learnt from."""

    of: Splits
    tokens: Sequence[Tokens | None]
    fitted: NDArray[np.int64]


def tune(
    settings: Settings, options: TuneOptions, run: Path, watch: Steps, say: Say, *, resume: bool
) -> Tuned:
    """Fine-tunes the encoder that serves and saves a sentiment bundle with what changed in it.

    ``run`` keeps checkpoints, reports and TensorBoard's events. Raises ConfigurationError,
    DependencyMissing, BundleError.
    """
    encoder = Encoder.open(settings)
    weights, model = encoder.weights, encoder.description
    sets = [_read(of, model) for of in sources(weights, options.seed)]
    examples = _examples(sets, class_weights=options.class_weights)
    torch.manual_seed(options.seed)
    tunable = Tunable(weights, options.method, options.rank, steps(examples, options))
    look = _Look(weights, sets, encoder.batch_tokens, run, say)
    tuner = tuned(tunable, examples, options, look, run, watch, say, resume=resume)
    learnt = _learnt(tunable, look, options, tuner)
    picture = curve.draw([tuner.progress.epochs])
    (run / CURVE).write_bytes(picture)
    baseline = frozen(encoder, [each.of for each in sets], encoder.batch_tokens, watch)
    whole = Learnt(**{**_fields(learnt), "picture": picture})
    mine = [each.of for each in sets]
    return finish(settings, weights, mine, whole, as_baseline(baseline), options.seed, watch)


def _fields(learnt: Learnt) -> dict[str, Any]:
    return {name: getattr(learnt, name) for name in Learnt.__slots__}


def _read(of: Splits, model: Model) -> _Set:
    tokenizer = model.tokenizer
    tokens = tokenizer.tokenize([tokenizer.clean(text.text) for text in of.reviews.texts])
    readable = [place for place in of.fitted.tolist() if tokens[place] is not None]
    return _Set(of, tokens, np.array(readable, np.int64))


def _examples(sets: Sequence[_Set], *, class_weights: bool) -> Examples:
    """All languages together; with class weights, both classes of a language weigh the same."""
    tokens = [t for each in sets for p in each.fitted.tolist() if (t := each.tokens[p]) is not None]
    labels = [each.of.reviews.label[each.fitted] for each in sets]
    weights = [balanced(label) if class_weights else np.ones(len(label)) for label in labels]
    return Examples(tokens, np.concatenate(labels), np.concatenate(weights))


class _Look:
    """Judges the model after an epoch, through the forward pass that serves."""

    def __init__(
        self, weights: Weights, sets: Sequence[_Set], budget: int, run: Path, say: Say
    ) -> None:
        self.weights, self.sets, self.budget = weights, sets, budget
        self._run, self._say = run, say

    def __call__(self, tunable: Tunable, seen: Floats, epoch: int) -> dict[str, float]:
        found: dict[str, float] = {}
        texts: list[str] = []
        start = 0
        for each, (dev, test) in zip(self.sets, self.logits(tunable), strict=True):
            of, label = each.of, each.of.reviews.label
            parts = {"dev": (dev, of.dev), "test": (test, of.test)}
            mine = seen[start : start + len(each.fitted)]
            start += len(each.fitted)
            bar = _threshold(label[of.dev], dev)
            for name, (logit, places) in {"train": (mine, each.fitted), **parts}.items():
                found[f"auc/{of.language}/{name}"] = auc(label[places], logit)
                texts.append(f"{of.language} {name}\n{report(label[places], logit, bar)}")
        found["dev"] = float(np.mean([v for k, v in found.items() if k.endswith("/dev")]))
        self._write(epoch, "\n".join(texts), found)
        return found

    def logits(self, tunable: Tunable) -> list[tuple[Floats, Floats]]:
        """Of the dev and the test reviews of each language."""
        backend = tunable.backend()
        weight, bias = _linear(tunable)
        return [
            (self._judge(backend, each, each.of.dev) @ weight + bias,
             self._judge(backend, each, each.of.test) @ weight + bias)
            for each in self.sets
        ]  # fmt: skip

    def _judge(self, backend: Backend, of: _Set, places: NDArray[np.int64]) -> Floats:
        tokens = [of.tokens[place] for place in places.tolist()]
        states = pooled_tokens(backend, tokens, self.weights.dimensions, self.budget)
        return states.astype(np.float64)

    def _write(self, epoch: int, text: str, metrics: dict[str, float]) -> None:
        self._run.mkdir(parents=True, exist_ok=True)
        (self._run / f"epoch-{epoch}.txt").write_text(text)
        told = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self._say(f"{text}\nAUC: {told}")


def _threshold(label: NDArray[np.int64], logit: Floats) -> float:
    """As `sentiment_head.threshold`, of logits."""
    bar = threshold(label, 1 / (1 + np.exp(-logit)))
    return float(np.log(bar / (1 - bar)))


def _linear(tunable: Tunable) -> tuple[Floats, float]:
    weight = tunable.head.weight.detach().double().cpu().numpy()[0]
    return weight, float(tunable.head.bias.detach()[0])


def _learnt(tunable: Tunable, look: _Look, options: TuneOptions, tuner: Tuner) -> Learnt:
    """Platt scaling on all dev reviews, then judged language by language."""
    from safetensors.torch import save

    logits = look.logits(tunable)
    labels = [each.of.reviews.label[each.of.dev] for each in look.sets]
    platt = LogisticRegression(C=1e6).fit(
        np.concatenate([dev for dev, _ in logits])[:, None], np.concatenate(labels)
    )
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    weight, bias = _linear(tunable)
    head = Head((slope * weight).astype(np.float32), slope * bias + offset)
    judged = [
        judge(each.of, *(1 / (1 + np.exp(-slope * part - offset)) for part in parts))
        for each, parts in zip(look.sets, logits, strict=True)
    ]
    changes = {name: tensor.cpu() for name, tensor in tunable.changes().items()}
    return Learnt(head, judged, save(changes), _lines(tuner), _manifest(options, tuner))


def _manifest(options: TuneOptions, tuner: Tuner) -> dict[str, Any]:
    epochs = [
        {"epoch": each.number, "loss": each.loss, **each.metrics} for each in tuner.progress.epochs
    ]
    return {
        "method": str(options.method),
        "layers": 1,
        "options": {**asdict(options), "method": str(options.method), "rate": options.rate},
        "epochs": epochs,
    }


def _lines(tuner: Tuner) -> list[str]:
    best = tuner.progress.best_epoch
    return [
        "",
        "What fine-tuning changed in the encoder is in `adapter.safetensors`, merged into its weights",
        "when it is loaded: reviews pass through the merged encoder, descriptions through the encoder",
        f"as it is. Of {len(tuner.progress.epochs)} epochs, number {best} was best on the dev reviews.",
        "",
        "![AUC and loss by epoch](learning.png)",
    ]
