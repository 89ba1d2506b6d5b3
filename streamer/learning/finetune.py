"""From real reviews to a sentiment bundle for the encoder that serves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from streamer import __version__
from streamer.encoding import sentiment
from streamer.encoding.encoder import Encoder
from streamer.encoding.weights import Weights
from streamer.learning.metrics import auc, expected_calibration_error
from streamer.learning.pooled import pooled
from streamer.learning.reviews import Reviews, clothing, labelled, split
from streamer.learning.sentiment_head import (
    MAX_LAYERS,
    PENALTIES,
    Candidate,
    Labels,
    compete,
    threshold,
)
from streamer.learning.steps import Steps, summing
from streamer.registry import activate
from streamer.settings import Settings

DEV_SHARE = 0.15
BASELINE = "TF-IDF + LR"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A saved sentiment bundle; ``metrics`` and ``baseline`` are of the test reviews, ``text`` is
    scikit-learn's classification report of them, ``refused`` says why it is not in use, if it is
    not."""

    folder: Path
    metrics: dict[str, float]
    baseline: dict[str, float]
    text: str
    refused: str = ""


def finetune(settings: Settings, seed: int, steps: Steps) -> Tuned:
    """Trains a head on the frozen encoder with the clothing reviews, saves the bundle and makes it
    the active one, unless it is worse than that.

    Raises ConfigurationError, DependencyMissing, BundleError.
    """
    reviews = labelled(clothing())
    train, test = split(reviews)
    fitted, dev = train_test_split(train, test_size=DEV_SHARE, random_state=seed)
    encoder = Encoder.open(settings)
    layers = min(MAX_LAYERS, encoder.weights.config["num_hidden_layers"])
    with steps.step("encode reviews", len(reviews)) as told:
        words = [text.text for text in reviews.texts]
        budget = settings.encoder_batch_tokens
        states = pooled(encoder.review, words, layers, budget, summing(told))
    label, width = reviews.label, encoder.weights.dimensions
    with steps.step("fit heads", layers * len(PENALTIES)) as told:
        sets = (states[fitted], label[fitted], states[dev], label[dev])
        candidates = compete(*sets, width, summing(told))
    best = candidates[0]
    chosen = states[:, : best.layers * width]
    bar = threshold(label[dev], best.head.probability(chosen[dev]))
    on_test = best.head.probability(chosen[test])
    with steps.step("fit the baseline", 1):
        baseline = _baseline(reviews, train, test)
    metrics = _measure(label[test], on_test, bar)
    text = classification_report(
        label[test], on_test >= bar, target_names=["not recommended", "recommended"], digits=3
    )
    name = time.strftime("sentiment-%Y%m%d-%H%M%S", time.gmtime())
    folder = settings.model_store / name
    tuned = Tuned(folder, metrics, baseline, text)
    card = _card(name, encoder.weights, reviews, candidates, bar, tuned)
    manifest = _manifest(encoder.weights, reviews, best, seed, bar, tuned)
    manifest["test_fingerprint"] = _chosen(reviews, test).fingerprint
    sentiment.save(folder, best.head, manifest, card)
    return replace(tuned, refused=activate(settings.model_store, name))


def _chosen(reviews: Reviews, places: NDArray[np.int64]) -> Reviews:
    texts = [reviews.texts[place] for place in places.tolist()]
    return replace(reviews, texts=texts, label=reviews.label[places])


def _measure(label: Labels, probability: Floats, bar: float) -> dict[str, float]:
    return {
        "auc": auc(label, probability),
        "macro_f1": float(f1_score(label, probability >= bar, average="macro")),
        "accuracy": float(((probability >= bar) == label).mean()),
        "ece": expected_calibration_error(label, probability),
    }


def _baseline(
    reviews: Reviews, train: NDArray[np.int64], test: NDArray[np.int64]
) -> dict[str, float]:
    """Words and pairs of words, balanced classes: the strongest simple way on this data."""
    words = np.array([text.text for text in reviews.texts], object)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        LogisticRegression(C=4, class_weight="balanced", max_iter=300),
    )
    model.fit(words[train], reviews.label[train])
    return _measure(reviews.label[test], model.predict_proba(words[test])[:, 1], 0.5)


def _manifest(
    weights: Weights, reviews: Reviews, best: Candidate, seed: int, bar: float, tuned: Tuned
) -> dict[str, object]:
    return {
        "method": "frozen",
        "encoder": weights.name,
        "encoder_fingerprint": weights.fingerprint,
        "layers": best.layers,
        "penalty": best.penalty,
        "seed": seed,
        "threshold": bar,
        "data": reviews.about,
        "data_fingerprint": reviews.fingerprint,
        "metrics": tuned.metrics,
        "baseline": {"name": BASELINE, **tuned.baseline},
    }


def _card(
    name: str,
    weights: Weights,
    reviews: Reviews,
    candidates: list[Candidate],
    bar: float,
    tuned: Tuned,
) -> str:
    return "\n".join(_card_lines(name, weights, reviews, candidates, bar, tuned)) + "\n"


def _card_lines(
    name: str,
    weights: Weights,
    reviews: Reviews,
    candidates: list[Candidate],
    bar: float,
    tuned: Tuned,
) -> Iterator[str]:
    best = candidates[0]
    yield f"# {name}"
    yield ""
    yield f"P(positive) of a review, read off the frozen encoder {weights.name} by a logistic"
    yield f"regression on the mean-pooled states of its last {best.layers} layers, calibrated (Platt)."
    yield f"Written by `streamer finetune --method frozen`, streamer {__version__}."
    yield ""
    yield f"- **Trained on** {reviews.about}"
    yield (
        f"- **Label** the customer recommends the garment: {100 * reviews.label.mean():.1f} % of "
        f"{len(reviews)} reviews with a text. Title and text are read."
    )
    yield (
        "- **Split** random, 80 to 20, seed 0; the head is chosen and calibrated on "
        f"{100 * DEV_SHARE:.0f} % of the 80, and every number below is of the 20."
    )
    yield (
        f"- **Threshold** {bar:.3f}, the best macro-F1 on the dev reviews; the baseline's is 0.5 "
        "after balancing its classes, so its probabilities are not calibrated."
    )
    yield (
        "- **What it can't know** it has read English reviews of clothes only: other goods share "
        "the words of praise and complaint, but not all of them."
    )
    yield ""
    yield "| | AUC | macro-F1 | accuracy | expected calibration error |"
    yield "|---|---|---|---|---|"
    for who, of in (("this head", tuned.metrics), (BASELINE, tuned.baseline)):
        yield f"| {who} | {of['auc']:.3f} | {of['macro_f1']:.3f} | {of['accuracy']:.3f} | {of['ece']:.3f} |"
    yield ""
    yield "```"
    yield tuned.text.rstrip()
    yield "```"
    yield ""
    yield "Heads that competed, by the AUC of the dev reviews:"
    yield ""
    yield "| layers | ridge (C) | AUC |"
    yield "|---|---|---|"
    for candidate in candidates:
        yield f"| {candidate.layers} | {candidate.penalty:g} | {candidate.auc:.4f} |"
