from __future__ import annotations

import numpy as np
import pytest

from streamer.encoding.projection import (
    description_bytes,
    normalised,
    review_bytes,
    review_projection,
)
from streamer.events import REVIEW_DIMENSIONS, REVIEW_VECTOR_UNIT


def unit_vectors(count: int) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((count, 384)).astype(np.float32)
    return normalised(rows)


def test_the_projection_never_changes() -> None:
    """Sums of projected reviews in a running store are only right while these stay the same."""
    matrix = review_projection(384)
    assert matrix.shape == (384, REVIEW_DIMENSIONS)
    np.testing.assert_allclose(matrix[0, :3], [-0.121196, 0.163940, 0.152522], atol=1e-5)


def test_columns_are_orthogonal_and_keep_lengths_on_average() -> None:
    matrix = review_projection(384)
    np.testing.assert_allclose(
        matrix.T @ matrix, np.eye(REVIEW_DIMENSIONS) * 384 / REVIEW_DIMENSIONS, atol=1e-4
    )
    lengths = np.linalg.norm(unit_vectors(2000) @ matrix, axis=1)
    assert np.mean(lengths**2) == pytest.approx(1.0, abs=0.05)


def test_reviews_survive_quantisation() -> None:
    vectors = unit_vectors(50)
    back = np.stack([np.frombuffer(b, "<i2") for b in review_bytes(vectors)]) * REVIEW_VECTOR_UNIT
    np.testing.assert_allclose(back, vectors @ review_projection(384), atol=REVIEW_VECTOR_UNIT)


def test_descriptions_are_half_floats_of_length_one() -> None:
    vectors = unit_vectors(5)
    back = np.stack([np.frombuffer(b, "<f2") for b in description_bytes(vectors)])
    np.testing.assert_allclose(back.astype(np.float32), vectors, atol=1e-3)


def test_a_vector_of_zeros_stays_finite() -> None:
    assert not normalised(np.zeros((1, 4), np.float32)).any()
