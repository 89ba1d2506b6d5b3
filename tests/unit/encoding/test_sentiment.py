from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.encoding import sentiment
from streamer.encoding.sentiment import Head
from streamer.errors import BundleError


@pytest.fixture
def head() -> Head:
    return Head(np.linspace(-1, 1, 8).astype(np.float32), 0.25)


def store(folder: Path, head: Head) -> Path:
    bundle = folder / "sentiment-x"
    sentiment.save(bundle, head, {"encoder": "x", "encoder_fingerprint": "f1"}, "# card")
    return bundle


def test_a_saved_head_is_found_by_its_encoder_and_reads_back(tmp_path: Path, head: Head) -> None:
    bundle = store(tmp_path, head)
    assert sentiment.find(tmp_path, "f1") == bundle
    assert sentiment.find(tmp_path, "f2") is None
    loaded = sentiment.load(bundle)
    np.testing.assert_array_equal(loaded.weight, head.weight)
    assert loaded.bias == head.bias


def test_a_damaged_head_is_refused(tmp_path: Path, head: Head) -> None:
    bundle = store(tmp_path, head)
    file = bundle / sentiment.HEAD
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(BundleError, match="damaged"):
        sentiment.load(bundle)


def test_a_bundle_of_another_schema_is_refused(tmp_path: Path, head: Head) -> None:
    bundle = store(tmp_path, head)
    manifest = bundle / sentiment.MANIFEST
    manifest.write_text(manifest.read_text().replace('"schema": 1', '"schema": 9'))
    with pytest.raises(BundleError, match="schema 9"):
        sentiment.load(bundle)


def test_probability_is_logistic_and_never_overflows(head: Head) -> None:
    pooled = np.zeros((3, 8), np.float32)
    pooled[1], pooled[2] = 1e6 * head.weight, -1e6 * head.weight
    p = head.probability(pooled)
    assert p[0] == pytest.approx(1 / (1 + np.exp(-0.25)))
    assert p[1] == pytest.approx(1)
    assert p[2] == pytest.approx(0)
