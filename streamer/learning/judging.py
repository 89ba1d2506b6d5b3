"""How well the sentiment of reviews is told, language by language, beside simple ways to tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from streamer.learning.metrics import auc, expected_calibration_error
from streamer.learning.reviews import Places, Reviews, split
from streamer.learning.sentiment_head import threshold

DEV_SHARE = 0.1
TFIDF, FROZEN = "TF-IDF + LR", "frozen encoder + LR"
NAMES = ["negative", "positive"]

Floats = NDArray[np.float64]
Probability = Callable[[Places], Floats]
Metrics = dict[str, float]


@dataclass(frozen=True, slots=True)
class Splits:
    """One language's reviews and which of them are learnt from, chosen by and measured on."""

    reviews: Reviews
    fitted: Places
    dev: Places
    test: Places

    @property
    def language(self) -> str:
        return self.reviews.language

    @property
    def tested(self) -> str:
        """The fingerprint of the test reviews."""
        texts = [self.reviews.texts[place] for place in self.test.tolist()]
        return replace(self.reviews, texts=texts, label=self.reviews.label[self.test]).fingerprint


@dataclass(frozen=True, slots=True)
class Judged:
    """One language: the least P(positive) that is called positive, metrics of the test reviews and
    scikit-learn's report of them."""

    language: str
    bar: float
    metrics: Metrics
    text: str


def splits(reviews: Reviews, seed: int) -> Splits:
    """The documented test reviews, and dev reviews drawn from the others."""
    train, test = split(reviews)
    fitted, dev = train_test_split(train, test_size=DEV_SHARE, random_state=seed)
    return Splits(reviews, fitted, dev, test)


def judge(of: Splits, dev: Floats, test: Floats) -> Judged:
    """By the probabilities of its dev and test reviews."""
    label = of.reviews.label
    bar = threshold(label[of.dev], dev)
    return Judged(
        of.language, bar, measure(label[of.test], test, bar), report(label[of.test], test, bar)
    )


def measure(label: NDArray[np.int64], probability: Floats, bar: float) -> Metrics:
    return {
        "auc": auc(label, probability),
        "macro_f1": float(f1_score(label, probability >= bar, average="macro")),
        "accuracy": float(((probability >= bar) == label).mean()),
        "ece": expected_calibration_error(label, probability),
    }


def report(label: NDArray[np.int64], probability: Floats, bar: float) -> str:
    """scikit-learn's classification report."""
    found: str = classification_report(
        label, probability >= bar, target_names=NAMES, digits=3, zero_division=0.0
    )
    return found


def tfidf(of: Splits) -> Metrics:
    """Words and pairs of words of an English review, runs of characters of a Chinese one, balanced
    classes: the strongest simple way on this data."""
    shape = {"analyzer": "char"} if of.language == "zh" else {}
    spans = (1, 3) if of.language == "zh" else (1, 2)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=spans, min_df=2, sublinear_tf=True, **shape),
        LogisticRegression(C=4, class_weight="balanced", max_iter=300),
    )
    words = np.array([text.text for text in of.reviews.texts], object)
    train = np.concatenate([of.fitted, of.dev])
    model.fit(words[train], of.reviews.label[train])
    return measure(of.reviews.label[of.test], model.predict_proba(words[of.test])[:, 1], 0.5)


def table(rows: Sequence[tuple[str, str, Metrics]]) -> Iterator[str]:
    """Language, who, metrics of the test reviews; in Markdown."""
    yield "| language | | AUC | macro-F1 | accuracy | expected calibration error |"
    yield "|---|---|---|---|---|---|"
    for language, who, of in rows:
        values = (of["auc"], of["macro_f1"], of["accuracy"], of["ece"])
        yield f"| {language} | {who} | {' | '.join(f'{value:.3f}' for value in values)} |"
