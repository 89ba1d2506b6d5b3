"""From real reviews to a sentiment bundle for the encoder that serves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamer import __version__
from streamer.encoding import sentiment
from streamer.encoding.encoder import Encoder
from streamer.encoding.sentiment import Head
from streamer.encoding.weights import Weights
from streamer.learning.judging import (
    DEV_SHARE,
    FROZEN,
    TFIDF,
    Judged,
    Metrics,
    Splits,
    judge,
    splits,
    table,
    tfidf,
)
from streamer.learning.pooled import pooled
from streamer.learning.reviews import Reviews, chinese, clothing, labelled
from streamer.learning.sentiment_head import MAX_LAYERS, PENALTIES, Candidate, compete
from streamer.learning.steps import Steps, summing
from streamer.registry import activate
from streamer.settings import Settings

States = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of learning: a head, what changed in the encoder, how it judges each language, and
    what the card and the manifest say besides."""

    head: Head
    judged: list[Judged]
    adapter: bytes = b""
    card: list[str] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    picture: bytes = b""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A saved sentiment bundle. ``metrics`` are of the test reviews, named like ``en_auc``, as are
    those of the ``baselines``; ``refused`` says why it is not in use, if it is not."""

    folder: Path
    metrics: Metrics
    baselines: dict[str, Metrics]
    text: str
    refused: str = ""


def finetune(settings: Settings, seed: int, steps: Steps) -> Tuned:
    """Trains a head on the frozen encoder, saves the bundle and makes it the active one, unless it
    is worse than that.

    Raises ConfigurationError, DependencyMissing, BundleError.
    """
    encoder = Encoder.open(settings)
    sets = sources(encoder.weights, seed)
    learnt = frozen(encoder, sets, encoder.batch_tokens, steps)
    return finish(settings, encoder.weights, sets, learnt, {}, seed, steps)


def sources(weights: Weights, seed: int) -> list[Splits]:
    """The labelled reviews that the encoder can read."""
    english = labelled(clothing())
    found = [english, chinese()] if weights.reads("zh") else [english]
    return [splits(reviews, seed) for reviews in found]


def frozen(encoder: Encoder, sets: Sequence[Splits], budget: int, steps: Steps) -> Learnt:
    """A logistic regression on the states of the encoder as it is, one for all languages."""
    model, width = encoder.description, encoder.weights.dimensions
    layers = min(MAX_LAYERS, encoder.weights.config["num_hidden_layers"])
    states: list[States] = []
    for of in sets:
        with steps.step(f"encode reviews ({of.language})", len(of.reviews)) as told:
            words = [text.text for text in of.reviews.texts]
            states.append(pooled(model, words, layers, budget, summing(told)))
    with steps.step("fit heads", layers * len(PENALTIES)) as told:
        fitted, dev = (_together(sets, states, which) for which in ("fitted", "dev"))
        candidates = compete(*fitted, *dev, width, summing(told))
    best = candidates[0]
    read = [each[:, : best.layers * width] for each in states]
    judged = [
        judge(of, best.head.probability(x[of.dev]), best.head.probability(x[of.test]))
        for of, x in zip(sets, read, strict=True)
    ]
    manifest = {"method": "frozen", "layers": best.layers, "penalty": best.penalty}
    return Learnt(best.head, judged, card=list(_frozen_lines(candidates)), manifest=manifest)


def _together(
    sets: Sequence[Splits], states: Sequence[States], which: str
) -> tuple[States, np.ndarray[Any, np.dtype[np.int64]]]:
    x = [each[getattr(of, which)] for of, each in zip(sets, states, strict=True)]
    return np.concatenate(x), np.concatenate([of.reviews.label[getattr(of, which)] for of in sets])


def finish(
    settings: Settings,
    weights: Weights,
    sets: Sequence[Splits],
    learnt: Learnt,
    baselines: dict[str, Metrics],
    seed: int,
    steps: Steps,
) -> Tuned:
    """Measures the simplest way beside it and saves the bundle."""
    with steps.step(f"fit {TFIDF}", len(sets)) as told:
        simple: Metrics = {}
        for done, of in enumerate(sets, 1):
            simple |= named(of.language, tfidf(of))
            told(done)
    everyone = {**baselines, TFIDF: simple}
    metrics = _all(learnt.judged)
    name = time.strftime("sentiment-%Y%m%d-%H%M%S", time.gmtime())
    folder = settings.model_store / name
    text = "\n\n".join(f"{each.language}\n{each.text.rstrip()}" for each in learnt.judged)
    tuned = Tuned(folder, metrics, everyone, text)
    card = "\n".join(_card(name, weights, sets, learnt, tuned)) + "\n"
    manifest = {
        **learnt.manifest,
        "encoder": weights.name,
        "encoder_fingerprint": weights.fingerprint,
        "seed": seed,
        "thresholds": {each.language: each.bar for each in learnt.judged},
        "data": [of.reviews.about for of in sets],
        "data_fingerprint": "+".join(of.reviews.fingerprint for of in sets),
        "test_fingerprint": "+".join(of.tested for of in sets),
        "metrics": metrics,
        "baselines": everyone,
    }
    sentiment.save(folder, learnt.head, manifest, card, learnt.adapter, learnt.picture)
    return replace(tuned, refused=activate(settings.model_store, name))


def named(language: str, metrics: Metrics) -> Metrics:
    """Metrics under the names that reports give them."""
    return {f"{language}_{name}": value for name, value in metrics.items()}


def _all(judged: Sequence[Judged]) -> Metrics:
    return {k: v for each in judged for k, v in named(each.language, each.metrics).items()}


def _of(language: str, metrics: Metrics) -> Metrics:
    start = f"{language}_"
    return {k.removeprefix(start): v for k, v in metrics.items() if k.startswith(start)}


def _card(
    name: str, weights: Weights, sets: Sequence[Splits], learnt: Learnt, tuned: Tuned
) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    yield f"P(positive) of a review, by one head for all languages on the encoder {weights.name},"
    yield f"calibrated (Platt). Written by `streamer finetune --method {learnt.manifest['method']}`,"
    yield f"streamer {__version__}."
    yield ""
    for of in sets:
        yield from _about(of.reviews)
    yield (
        "- **Split** random, 80 to 20, seed 0, each language by itself; what is chosen and "
        f"calibrated is so on {100 * DEV_SHARE:.0f} % of the 80, and every number below is of the 20."
    )
    bars = ", ".join(f"{each.language} {each.bar:.3f}" for each in learnt.judged)
    yield f"- **Threshold** {bars}: the best macro-F1 on the dev reviews; {TFIDF} has balanced classes and 0.5."
    yield (
        "- **What it can't know** goods and ways to speak that these reviews don't have: they share "
        "the words of praise and complaint, but not all of them."
    )
    yield ""
    who = [("this bundle", tuned.metrics), *tuned.baselines.items()]
    yield from table(
        [(of.language, name, _of(of.language, metrics)) for of in sets for name, metrics in who]
    )
    for each in learnt.judged:
        yield from ("", f"Test reviews, {each.language}:", "", "```", each.text.rstrip(), "```")
    yield from learnt.card


def _about(reviews: Reviews) -> Iterator[str]:
    yield f"- **Trained on** {reviews.about}"
    yield (
        f"- **Positive** ({reviews.language}) {reviews.meaning}: "
        f"{100 * reviews.label.mean():.1f} % of {len(reviews)} reviews with a text."
    )


def _frozen_lines(candidates: Sequence[Candidate]) -> Iterator[str]:
    yield ""
    yield f"The encoder is as it was; the head reads its last {candidates[0].layers} layers. Heads that"
    yield "competed, by the AUC of the dev reviews:"
    yield ""
    yield "| layers | ridge (C) | AUC |"
    yield "|---|---|---|"
    for candidate in candidates:
        yield f"| {candidate.layers} | {candidate.penalty:g} | {candidate.auc:.4f} |"


def as_baseline(learnt: Learnt) -> dict[str, Metrics]:
    """A frozen head's metrics as those of a baseline."""
    return {FROZEN: _all(learnt.judged)}
