"""Bundles of kind `launch`: what the tensors of a predictor need beside them to score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamer.errors import BundleError
from streamer.registry import bundles, pointer
from streamer.registry.bundles import CURVE, Stored
from streamer.scoring.predictor import STAGES, Predictor
from streamer.state.features import FEATURES, FIRST_VERSION, MODALITIES, MODALITY, VERSIONS

LAUNCH: Final = "launch"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A predictor and what is known of it. ``encoder`` is the fingerprint of the encoder whose
    vectors it reads, ``dimensions`` their length, ``curve`` the picture of how it learnt (PNG)."""

    name: str
    predictor: Predictor
    encoder: str
    dimensions: int
    manifest: dict[str, Any]
    curve: bytes = b""


def active_name(store: Path) -> str:
    """The name of the predictor in use. Raises BundleError."""
    name = pointer.current(store, LAUNCH)
    if name is None:
        raise BundleError(
            f"{store} has no active bundle; set STREAMER_MODEL_STORE to the repository's "
            "model_store, or make one with: streamer train"
        )
    return name


def active(store: Path) -> Bundle:
    """The predictor in use. Raises BundleError."""
    return load(store, active_name(store))


def load(store: Path, name: str) -> Bundle:
    """A predictor by name, every hash verified. Raises BundleError."""
    return predictor_of(bundles.read(store, name))


def predictor_of(stored: Stored) -> Bundle:
    """A predictor that has been seen to score. Raises BundleError for one that can't."""
    name, manifest = stored.name, stored.manifest
    if stored.kind != LAUNCH:
        raise BundleError(f"bundle {name} is of kind {stored.kind}, not {LAUNCH}")
    try:
        features, groups = tuple(manifest["features"]), tuple(manifest["groups"])
        if groups != tuple(MODALITIES) or not set(features) <= set(FEATURES):
            raise BundleError(
                f"bundle {name} was made for other features than this streamer computes; "
                "make a new one with: streamer train"
            )
        predictor = Predictor.of(features, groups, stored.tensors).reading(FEATURES, MODALITY)
        dimensions = manifest["dimensions"]
        if wrong := _wrong(predictor, dimensions):
            raise BundleError(f"bundle {name} can't score: {wrong}")
        if redefined := _redefined(predictor, manifest):
            raise BundleError(
                f"bundle {name} learnt {', '.join(redefined)} by another definition than this "
                "streamer computes; make a new one with: streamer train"
            )
        curve = stored.files.get(CURVE, b"")
        return Bundle(name, predictor, stored.encoder, dimensions, manifest, curve)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle {name} is no predictor of this streamer's: {error!r}") from None


def _redefined(predictor: Predictor, manifest: Mapping[str, Any]) -> list[str]:
    """The features that it reads and that are defined otherwise here. A bundle that does not tell a
    version is as old as the first."""
    learnt: dict[str, int] = dict(manifest.get("feature_versions", {}))
    return [n for n in predictor.reads if learnt.get(n, FIRST_VERSION) != VERSIONS[n]]


def _wrong(predictor: Predictor, dimensions: int) -> str:
    """What is wrong with what it says of an item of which nothing is known and of an average one,
    in every stage; nothing if nothing is."""
    stage = np.repeat(np.arange(len(STAGES)), 2)
    x = np.tile([np.full(len(FEATURES), np.nan), predictor.mean], (len(STAGES), 1))
    content = np.tile([[np.nan], [0.0]], (len(STAGES), dimensions)).astype(np.float32)
    try:
        with np.errstate(all="ignore"):
            scores = predictor.score(x, content, stage)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return repr(error)
    said = np.column_stack([scores.logit, scores.uncertainty, scores.contributions])
    return "" if np.isfinite(said).all() else "its numbers are not finite"


def save(
    store: Path,
    name: str,
    predictor: Predictor,
    manifest: Mapping[str, Any],
    card: str,
    curve: bytes = b"",
) -> Path:
    """Writes a new predictor's bundle; ``manifest`` gives ``encoder``, ``dimensions``, ``metrics``
    and what else `bundles.write` says; ``curve`` is the picture of how it learnt.

    Returns its folder. Raises BundleError if the name is taken.
    """
    about = {
        "features": list(predictor.features),
        "feature_versions": {name: VERSIONS[name] for name in predictor.reads},
        "groups": list(predictor.groups),
        **manifest,
    }
    more = {CURVE: curve} if curve else {}
    return bundles.write(store, name, LAUNCH, predictor.arrays(), about, card, more)
