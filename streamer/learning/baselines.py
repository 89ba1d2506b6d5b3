"""What a launch predictor has to beat: simpler ways to rank the same launches at the same ages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from streamer.learning import teacher
from streamer.learning.dataset import Dataset
from streamer.learning.fit import FitOptions, principal
from streamer.state.features import BEHAVIOUR, FEATURES

Floats = NDArray[np.float64]

NEIGHBOURS = 50
_COUNTS = [FEATURES.index(name) for name in BEHAVIOUR]
_BUYERS = FEATURES.index("buyers")


@dataclass(frozen=True, slots=True)
class Given:
    """Launches to learn from and to rank, all ages together; ``texts`` by item."""

    train: Dataset
    test: Dataset
    texts: dict[str, str]
    seed: int


Rank = Callable[[Given], Floats]
"""Gives each test example a score, the higher the better."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """``seeded`` where another seed gives another result; ``probable`` where scores are P."""

    name: str
    rank: Rank
    seeded: bool = False
    probable: bool = False


def _recency(given: Given) -> Floats:
    return given.test.launch_day


def _popularity(given: Given) -> Floats:
    return given.test.x[:, _BUYERS]


def _neighbours(given: Given) -> Floats:
    """The share of successes among the launches whose descriptions are nearest."""
    first = given.train.age == given.train.age.min()
    content, label = given.train.content[first], given.train.label[first]
    test, place = np.unique(given.test.content, axis=0, return_inverse=True)
    near = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(content)
    nearest = near.kneighbors(test, return_distance=False)
    share: Floats = label[nearest].mean(axis=1)
    return share[place.ravel()]


def _text(given: Given) -> Floats:
    return _by_age(given, lambda data, words: words)


def _text_and_counts(given: Given) -> Floats:
    from scipy.sparse import csr_matrix, hstack

    counts = np.nan_to_num(given.train.x[:, _COUNTS])
    scale = counts.std(axis=0) + 1e-9

    def design(data: Dataset, words: csr_matrix) -> csr_matrix:
        return hstack([words, csr_matrix(np.nan_to_num(data.x[:, _COUNTS]) / scale)]).tocsr()

    return _by_age(given, design)


def _by_age(given: Given, design: Callable[..., object]) -> Floats:
    """A logistic regression for each age, on TF-IDF words and pairs and what is put beside them."""
    train, test = given.train, given.test
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    fitted = vectorizer.fit([given.texts[item] for item in np.unique(train.item).tolist()])
    score = np.zeros(len(test))
    for age in np.unique(test.age):
        parts = []
        for data in (train.where(train.age == age), test.where(test.age == age)):
            words = fitted.transform([given.texts[item] for item in data.item.tolist()])
            parts.append((design(data, words), data.label))
        (x, label), (fresh, _) = parts
        model = LogisticRegression(C=1.0, max_iter=1000).fit(x, label)
        score[test.age == age] = model.decision_function(fresh)
    return score


def _counts_boosted(given: Given) -> Floats:
    trees = teacher.lightgbm(given.train.x[:, _COUNTS], given.train.label, given.seed)
    return trees(given.test.x[:, _COUNTS])


def _everything_lightgbm(given: Given) -> Floats:
    train, test = _everything(given)
    return teacher.lightgbm(train, given.train.label, given.seed)(test)


def _everything_xgboost(given: Given) -> Floats:
    train, test = _everything(given)
    return teacher.xgboost(train, given.train.label, given.seed)(test)


def _everything(given: Given) -> tuple[Floats, Floats]:
    """All features that vary, and the first principal components of the content, of the launches to
    learn from and of those to rank."""
    x = given.train.x
    varies = np.nanmax(x, axis=0, initial=-np.inf) > np.nanmin(x, axis=0, initial=np.inf)
    components, mean = principal(given.train.content, FitOptions().components)
    train, test = (
        np.hstack([data.x[:, varies], (data.content - mean) @ components.T])
        for data in (given.train, given.test)
    )
    return train, test


TREES = Baseline("all features (LightGBM)", _everything_lightgbm, seeded=True, probable=True)
BASELINES = (
    Baseline("recency", _recency),
    Baseline("buyers so far", _popularity),
    Baseline("nearest descriptions (kNN on frozen embeddings)", _neighbours),
    Baseline("text (TF-IDF + logistic regression)", _text),
    Baseline("counts (LightGBM)", _counts_boosted, seeded=True, probable=True),
    Baseline("text + counts (logistic regression)", _text_and_counts),
    Baseline("all features (XGBoost)", _everything_xgboost, seeded=True, probable=True),
    TREES,
)


def runs(baseline: Baseline, seeds: int) -> Iterator[int]:
    """The seeds a baseline is run with."""
    yield from range(seeds if baseline.seeded else 1)
