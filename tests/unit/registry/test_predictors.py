"""Predictors as bundles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer import registry
from streamer.errors import BundleError
from streamer.registry import bundles
from streamer.scoring.explain import Explainer
from streamer.state.features import FEATURES, MODALITIES, VERSIONS
from tests.support.bundles import (
    DIMENSIONS,
    SHIPPED,
    promoted,
    random_predictor,
    write_bundle,
)


def test_a_predictor_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    promoted(tmp_path, "random")
    bundle, predictor = registry.active(tmp_path), random_predictor()
    assert (bundle.name, bundle.encoder, bundle.dimensions) == (
        "random",
        "test-encoder",
        DIMENSIONS,
    )
    assert bundle.predictor.features == FEATURES
    assert bundle.predictor.groups == tuple(MODALITIES)
    for name, array in predictor.arrays().items():
        np.testing.assert_array_equal(bundle.predictor.arrays()[name], array)


def test_a_bundle_that_reads_another_feature_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path, features=[*FEATURES[:-1], "shoe_size"])
    with pytest.raises(BundleError, match="features"):
        registry.load(tmp_path, "random")


def test_a_bundle_made_before_there_were_some_features_does_without(tmp_path: Path) -> None:
    newer = random_predictor()
    narrow = {
        name: getattr(newer, name)[:-1] for name in ("mean", "scale", "least", "greatest", "group")
    }
    older = replace(newer, features=FEATURES[:-1], **narrow)
    about = {"encoder": "test-encoder", "dimensions": DIMENSIONS, "metrics": {}}
    registry.save(tmp_path, "older", older, about, "# Older")
    found = registry.load(tmp_path, "older").predictor
    x = np.random.default_rng(0).normal(size=(4, len(FEATURES)))
    content, stage = np.zeros((4, DIMENSIONS), np.float32), np.zeros(4, np.int64)
    assert found.features == FEATURES
    np.testing.assert_array_equal(
        found.score(x, content, stage).logit, newer.score(x, content, stage).logit
    )


def test_a_bundle_that_learnt_a_feature_by_another_definition_is_refused(tmp_path: Path) -> None:
    learnt = {**VERSIONS, "views": 0, "buyers": 7, "sentiment": 7, "review_v0": 7}
    write_bundle(tmp_path, feature_versions=learnt)
    with pytest.raises(BundleError) as refused:
        registry.load(tmp_path, "random")
    assert str(refused.value) == (
        "bundle random learnt views, buyers, sentiment by another definition than this streamer "
        "computes; make a new one with: streamer train"
    )


def test_a_bundle_that_tells_no_versions_is_as_old_as_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path, feature_versions={})
    with pytest.raises(BundleError, match="learnt conversion, returns_share by another"):
        registry.load(tmp_path, "random")
    for name in FEATURES:
        monkeypatch.setitem(VERSIONS, name, 1)
    registry.load(tmp_path, "random")


def test_what_a_predictor_does_not_read_may_be_defined_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path)
    monkeypatch.setitem(VERSIONS, "review_v0", 7)
    registry.load(tmp_path, "random")
    monkeypatch.setitem(VERSIONS, "price_log", 7)
    with pytest.raises(BundleError, match="learnt price_log by another"):
        registry.load(tmp_path, "random")


def test_tensors_that_are_no_predictor_are_refused(tmp_path: Path) -> None:
    about = {"encoder": "e", "dimensions": 1, "features": FEATURES, "groups": list(MODALITIES)}
    bundles.write(tmp_path, "odd", "launch", {"weights": np.ones(3)}, about, "# odd")
    with pytest.raises(BundleError, match="no predictor of this streamer's"):
        registry.load(tmp_path, "odd")


def test_a_sentiment_is_no_predictor(tmp_path: Path) -> None:
    bundles.write(tmp_path, "glad", "sentiment", {"weight": np.ones(3)}, {"encoder": "e"}, "# glad")
    with pytest.raises(BundleError, match="is of kind sentiment, not launch"):
        registry.load(tmp_path, "glad")


def test_a_store_without_an_active_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="streamer train"):
        registry.active(tmp_path)


def test_the_shipped_bundle_is_sound_and_every_feature_of_it_has_words() -> None:
    bundle = registry.active(SHIPPED)
    assert bundle.predictor.features == FEATURES
    assert list(bundle.manifest["feature_versions"]) == sorted(bundle.predictor.reads)
    assert bundle.predictor.components.shape[1] == bundle.dimensions
    assert len(Explainer(bundle.predictor).reasons) > len(FEATURES) / 2
    assert all(np.isfinite(array).all() for array in bundle.predictor.arrays().values())
    card = (SHIPPED / bundle.name / bundles.CARD).read_text()
    assert card.strip()
