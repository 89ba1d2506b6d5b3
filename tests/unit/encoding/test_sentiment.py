from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.encoding import sentiment
from streamer.encoding.sentiment import Head
from streamer.errors import BundleError
from streamer.registry import bundles
from tests.support.bundles import promoted


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


def test_the_promoted_head_is_in_use_else_the_newest(tmp_path: Path, head: Head) -> None:
    for name, made_at in (("sentiment-b", "2026-01-01"), ("sentiment-a", "2026-02-01")):
        about = {"encoder_fingerprint": "f1", "made_at": made_at}
        sentiment.save(tmp_path / name, head, about, "# card")
    assert sentiment.find(tmp_path, "f1") == tmp_path / "sentiment-a"
    promoted(tmp_path, "sentiment-b")
    assert sentiment.find(tmp_path, "f1") == tmp_path / "sentiment-b"


def test_where_the_promoted_head_is_damaged_the_one_before_it_is_in_use(
    tmp_path: Path, head: Head
) -> None:
    assert sentiment.in_use(tmp_path, "f1") is None
    for name in ("sentiment-a", "sentiment-b", "sentiment-c"):
        sentiment.save(tmp_path / name, head, {"encoder_fingerprint": "f1"}, "# card")
        promoted(tmp_path, name)
    for name, instead in (("sentiment-c", "sentiment-b"), ("sentiment-b", "sentiment-a")):
        (tmp_path / name / bundles.TENSORS).write_bytes(b"")
        found = sentiment.in_use(tmp_path, "f1")
        assert found is not None
        assert found.name == instead
    (tmp_path / "sentiment-a" / bundles.TENSORS).write_bytes(b"")
    with pytest.raises(BundleError, match="sentiment-c is damaged"):
        sentiment.in_use(tmp_path, "f1")


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
    file = bundle / bundles.TENSORS
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(BundleError, match="damaged"):
        sentiment.load(bundle)


def test_a_bundle_without_a_head_is_refused(tmp_path: Path) -> None:
    bundles.write(tmp_path, "odd", "sentiment", {"w": np.ones(3)}, {"encoder": "f1"}, "# odd")
    with pytest.raises(BundleError, match="has no sentiment in it"):
        sentiment.load(tmp_path / "odd")


def test_probability_is_logistic_and_never_overflows(head: Head) -> None:
    pooled = np.zeros((3, 8), np.float32)
    pooled[1], pooled[2] = 1e6 * head.weight, -1e6 * head.weight
    p = head.probability(pooled)
    assert p[0] == pytest.approx(1 / (1 + np.exp(-0.25)))
    assert p[1] == pytest.approx(1)
    assert p[2] == pytest.approx(0)
