"""Vectors on the wire: descriptions as float16, reviews projected and quantised."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from streamer.events import REVIEW_DIMENSIONS, REVIEW_VECTOR_UNIT


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows brought to length 1; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
    return scaled


@cache
def review_projection(dimensions: int) -> NDArray[np.float32]:
    """[dimensions, REVIEW_DIMENSIONS]: orthogonal columns, scaled so that a projected vector
    keeps its length on average (Johnson and Lindenstrauss, 1984).

    It depends on ``dimensions`` alone, so sums of projected reviews from any process and any
    encoder of that width live in one space. RandomState's streams are frozen by numpy's
    compatibility policy; those of its successor are not.
    """
    gauss = np.random.RandomState(dimensions).standard_normal((dimensions, REVIEW_DIMENSIONS))
    q, r = np.linalg.qr(gauss)
    columns = q * np.sign(np.diag(r)) * np.sqrt(dimensions / REVIEW_DIMENSIONS)
    return np.asarray(columns, np.float32)


def description_bytes(vectors: NDArray[np.float32]) -> list[bytes]:
    """Each normalised row as little-endian float16."""
    return [row.tobytes() for row in vectors.astype("<f2")]


def review_bytes(vectors: NDArray[np.float32]) -> list[bytes]:
    """Each normalised row projected, as little-endian int16 in units of REVIEW_VECTOR_UNIT."""
    projected = vectors @ review_projection(vectors.shape[1])
    return [row.tobytes() for row in np.rint(projected / REVIEW_VECTOR_UNIT).astype("<i2")]
