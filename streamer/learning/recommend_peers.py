"""Simpler ways to recommend new items, at the same moments from the same log."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from streamer.errors import DependencyMissing
from streamer.learning.offers import Offer, Turn
from streamer.learning.shopping import Shopping

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEIGHBOURS = 50
FACTORS, ITERATIONS, REGULARIZATION, CONFIDENCE = 32, 10, 300.0, 10.0

Rank = Callable[[Turn], Floats]
"""Gives the score of each item on offer for a user, the higher the better."""
Peer = Callable[[Shopping, Offer], Rank]


def popularity(shopping: Shopping, offer: Offer) -> Rank:
    """Distinct buyers so far."""
    return lambda turn: offer.feature("buyers")


def popularity_of_the_week(shopping: Shopping, offer: Offer) -> Rank:
    """Purchases, decayed with a half-life of a week."""
    return lambda turn: offer.feature("purchases_168h")


def recency(shopping: Shopping, offer: Offer) -> Rank:
    return lambda turn: -offer.feature("age_log_hours")


def launch_predictor(shopping: Shopping, offer: Offer) -> Rank:
    return lambda turn: offer.features[:, 0]


def item_neighbours(shopping: Shopping, offer: Offer) -> Rank:
    """Item-kNN on content: the cosines of an item's nearest descriptions, summed over how often
    the user bought what reads so (Deshpande and Karypis, 2004)."""
    content = shopping.items.content
    texts, text = np.unique(content, axis=0, return_inverse=True)
    near = _nearest(content[offer.places], texts)
    bought = _history(shopping, offer.day, text.ravel(), len(texts))
    scores = (bought @ near.T).tocsr()
    return lambda turn: scores[turn.user].toarray()[0]


def matrix_factorisation(shopping: Shopping, offer: Offer) -> Rank:
    """Alternating least squares on implicit feedback (Hu, Koren and Volinsky, ICDM 2008), learnt
    anew from all purchases before the moment: of a new item it sees the buyers it has so far.

    Raises DependencyMissing.
    """
    try:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise DependencyMissing("implicit (for matrix factorisation)", "learning") from None
    items = np.arange(len(shopping.item_ids))
    bought = _history(shopping, offer.day, items, len(items))
    bought.data = CONFIDENCE * (1 + np.log(bought.data))
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=FACTORS,
            regularization=REGULARIZATION,
            iterations=ITERATIONS,
            random_state=0,
        )
        model.fit(bought.astype(np.float32), show_progress=False)
    users, factors = model.user_factors, model.item_factors[offer.places]
    return lambda turn: (factors @ users[turn.user]).astype(np.float64)


PEERS: dict[str, Peer] = {
    "popularity": popularity,
    "popularity, last week": popularity_of_the_week,
    "recency": recency,
    "item-kNN on content": item_neighbours,
    "matrix factorisation (ALS)": matrix_factorisation,
    "launch predictor alone": launch_predictor,
}


def _nearest(content: NDArray[np.float32], texts: NDArray[np.float32]) -> csr_matrix:
    """The cosines of each item with its nearest texts, (items, texts)."""
    own, place = np.unique(content, axis=0, return_inverse=True)
    cosine = own @ texts.T
    count = min(NEIGHBOURS, len(texts))
    nearest = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
    rows = np.repeat(np.arange(len(own)), count)
    columns = nearest.ravel()
    near = csr_matrix((cosine[rows, columns], (rows, columns)), cosine.shape)
    return near[place.ravel()]


def _history(shopping: Shopping, before: float, column: Ints, width: int) -> csr_matrix:
    """How often each user bought what before a day, (users, width); ``column`` of each item."""
    past = shopping.day < before
    user = np.repeat(np.arange(len(shopping.users)), np.diff(shopping.start))[past]
    shape = (len(shopping.users), width)
    return csr_matrix((np.ones(len(user)), (user, column[shopping.item[past]])), shape)
