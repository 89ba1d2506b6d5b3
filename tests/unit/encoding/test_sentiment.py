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
    np.testing.assert_array_equal(loaded.head.weight, head.weight)
    assert loaded.head.bias == head.bias
    assert loaded.adapter == b""
    assert loaded.fingerprint == "f1"


def test_a_tuned_encoder_has_a_fingerprint_of_its_own(tmp_path: Path, head: Head) -> None:
    fingerprints = set()
    for name, adapter in (("a", b""), ("b", b"one"), ("c", b"two")):
        folder = tmp_path / f"sentiment-{name}"
        manifest = {"encoder": "x", "encoder_fingerprint": "f1"}
        sentiment.save(folder, head, manifest, "# card", adapter)
        loaded = sentiment.load(folder)
        assert loaded.adapter == adapter
        fingerprints.add(loaded.fingerprint)
    assert len(fingerprints) == 3


def test_what_a_review_is_cached_under_changes_with_the_head(tmp_path: Path, head: Head) -> None:
    other = Head(head.weight * 2, head.bias)
    manifest = {"encoder": "x", "encoder_fingerprint": "f1"}
    for name, mine in (("a", head), ("b", other)):
        sentiment.save(tmp_path / name, mine, manifest, "# card")
    assert sentiment.load(tmp_path / "a").identity != sentiment.load(tmp_path / "b").identity


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
