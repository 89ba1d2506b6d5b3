"""Bundles are immutable, verified when loaded, and swapped atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer import registry
from streamer.errors import BundleError
from streamer.scoring.explain import Explainer
from streamer.state.features import FEATURES, MODALITIES
from tests.support.bundles import DIMENSIONS, random_predictor, write_bundle

SHIPPED = Path(__file__).parents[2] / "model_store"


def edit(store: Path, **fields: Any) -> None:
    path = store / "random" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_bundle(tmp_path)
    return tmp_path


def test_a_bundle_comes_back_as_it_was_saved(store: Path) -> None:
    bundle, predictor = registry.active(store), random_predictor()
    assert (bundle.name, bundle.encoder, bundle.dimensions) == (
        "random",
        "test-encoder",
        DIMENSIONS,
    )
    assert bundle.predictor.features == FEATURES
    assert bundle.predictor.groups == tuple(MODALITIES)
    for name, array in predictor.arrays().items():
        np.testing.assert_array_equal(bundle.predictor.arrays()[name], array)
    assert (store / "random" / "README.md").read_text() == "# A bundle for tests\n"


@pytest.mark.parametrize("at", [0, 8, 200, -1])
def test_a_bundle_with_a_changed_byte_is_refused(store: Path, at: int) -> None:
    path = store / "random" / "predictor.safetensors"
    changed = bytearray(path.read_bytes())
    changed[at] ^= 1
    path.write_bytes(changed)
    with pytest.raises(BundleError, match="is damaged"):
        registry.active(store)


def test_a_bundle_of_another_schema_is_refused(store: Path) -> None:
    edit(store, schema=2)
    with pytest.raises(BundleError, match="schema 2, this streamer reads 1"):
        registry.active(store)


@pytest.mark.parametrize("part", ["manifest.json", "predictor.safetensors"])
def test_a_bundle_with_a_part_missing_is_refused(store: Path, part: str) -> None:
    (store / "random" / part).unlink()
    with pytest.raises(BundleError, match="can't be read"):
        registry.active(store)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', '{"schema": 1}'])
def test_a_manifest_that_is_not_one_is_refused(store: Path, text: str) -> None:
    (store / "random" / "manifest.json").write_text(text)
    with pytest.raises(BundleError):
        registry.active(store)


def test_a_bundle_made_for_other_features_is_refused(store: Path) -> None:
    edit(store, features=list(FEATURES[:-1]))
    with pytest.raises(BundleError, match="features"):
        registry.active(store)


def test_a_store_without_an_active_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="streamer train"):
        registry.active(tmp_path)


def test_a_bundle_is_never_overwritten(store: Path) -> None:
    with pytest.raises(BundleError, match="never overwritten"):
        write_bundle(store)


def test_only_what_can_be_loaded_becomes_active(store: Path) -> None:
    with pytest.raises(BundleError):
        registry.activate(store, "none")
    assert registry.active(store).name == "random"


def test_the_shipped_bundle_is_sound_and_every_feature_of_it_has_words() -> None:
    bundle = registry.active(SHIPPED)
    assert bundle.predictor.features == FEATURES
    assert bundle.predictor.components.shape[1] == bundle.dimensions
    assert len(Explainer(bundle.predictor).reasons) > len(FEATURES) / 2
    assert all(np.isfinite(array).all() for array in bundle.predictor.arrays().values())
    card = (SHIPPED / bundle.name / "README.md").read_text()
    assert card.strip()
