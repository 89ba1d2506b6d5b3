"""model_store/: immutable bundles, and which of them is active.

A bundle is a folder with ``manifest.json`` (hashes, schema, encoder, training data, metrics),
``predictor.safetensors`` and a model card ``README.md``. ``ACTIVE`` names the bundle in use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from streamer import __version__
from streamer.errors import BundleError
from streamer.scoring.predictor import Predictor
from streamer.state.features import FEATURES, MODALITIES

BUNDLE_SCHEMA = 1
_ACTIVE = "ACTIVE"
_MANIFEST = "manifest.json"
_TENSORS = "predictor.safetensors"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A predictor and what is known of it. ``encoder`` is the fingerprint of the encoder whose
    vectors it reads, ``dimensions`` their length."""

    name: str
    predictor: Predictor
    encoder: str
    dimensions: int
    manifest: dict[str, Any]


def active(store: Path) -> Bundle:
    """The active bundle. Raises BundleError."""
    pointer = store / _ACTIVE
    if not pointer.exists():
        raise BundleError(
            f"{store} has no active bundle; set STREAMER_MODEL_STORE to the repository's "
            "model_store, or make one with: streamer train"
        )
    return load(store, pointer.read_text().strip())


def load(store: Path, name: str) -> Bundle:
    """A bundle by name, its hash verified. Raises BundleError."""
    folder = store / name
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        tensors = (folder / _TENSORS).read_bytes()
    except (OSError, ValueError) as error:
        raise BundleError(f"bundle {name} can't be read: {error}") from None
    try:
        return _checked(name, manifest, tensors)
    except (AttributeError, KeyError, TypeError) as error:
        raise BundleError(f"bundle {name} is damaged: its {_MANIFEST} lacks {error}") from None


def _checked(name: str, manifest: dict[str, Any], tensors: bytes) -> Bundle:
    schema = manifest.get("schema")
    if schema != BUNDLE_SCHEMA:
        raise BundleError(f"bundle {name} has schema {schema}, this streamer reads {BUNDLE_SCHEMA}")
    if sha256(tensors).hexdigest() != manifest["sha256"][_TENSORS]:
        raise BundleError(f"bundle {name} is damaged: {_TENSORS} does not match its hash")
    names, groups = tuple(manifest["features"]), tuple(manifest["groups"])
    if (names, groups) != (FEATURES, tuple(MODALITIES)):
        raise BundleError(
            f"bundle {name} was made for other features than this streamer computes; "
            "make a new one with: streamer train"
        )
    predictor = Predictor.of(names, groups, read_tensors(tensors))
    return Bundle(name, predictor, manifest["encoder"], manifest["dimensions"], manifest)


def save(store: Path, name: str, predictor: Predictor, manifest: dict[str, Any], card: str) -> Path:
    """Writes a new bundle; ``manifest`` gives ``encoder``, ``dimensions``, ``metrics``, ….

    Returns its folder. Raises BundleError if the name is taken.
    """
    folder = store / name
    if folder.exists():
        raise BundleError(f"bundle {name} exists; bundles are never overwritten")
    folder.mkdir(parents=True)
    tensors = write_tensors(predictor.arrays())
    (folder / _TENSORS).write_bytes(tensors)
    whole = {
        "schema": BUNDLE_SCHEMA,
        "code_version": __version__,
        "features": list(predictor.features),
        "groups": list(predictor.groups),
        "sha256": {_TENSORS: sha256(tensors).hexdigest()},
        **manifest,
    }
    (folder / _MANIFEST).write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n")
    (folder / "README.md").write_text(card)
    return folder


def activate(store: Path, name: str) -> None:
    """Makes a bundle the active one, atomically. Raises BundleError if it can't be loaded."""
    load(store, name)
    pointer = store / f"{_ACTIVE}.new"
    pointer.write_text(f"{name}\n")
    pointer.replace(store / _ACTIVE)
