"""P(positive) of a review, from the pooled states of the same forward pass."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from streamer import __version__
from streamer.errors import BundleError

BUNDLE_SCHEMA = 1
HEAD = "head.safetensors"
MANIFEST = "manifest.json"
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Head:
    """Logistic regression on the pooled states of an encoder's last layers, the last one first:
    ``weight`` [layers * dimensions], ``bias`` a number. Layers before the last keep more of what
    sentiment needs than the last one, which is trained to tell topics apart."""

    weight: NDArray[np.float32]
    bias: float

    def layers(self, dimensions: int) -> int:
        """How many layers of an encoder of this width it reads."""
        return len(self.weight) // dimensions

    def probability(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        """P(positive) of each row, from states as pooled (not normalised)."""
        logits = pooled.astype(np.float64) @ self.weight + self.bias
        return 1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))


def find(store: Path, fingerprint: str) -> Path | None:
    """The folder of the newest sentiment bundle made for the encoder with this fingerprint."""
    for manifest in sorted(store.glob(f"sentiment-*/{MANIFEST}"), reverse=True):
        if _manifest(manifest.parent).get("encoder_fingerprint") == fingerprint:
            return manifest.parent
    return None


def load(folder: Path) -> Head:
    """A bundle's head, its hash verified. Raises BundleError."""
    expected = _manifest(folder)["sha256"][HEAD]
    content = (folder / HEAD).read_bytes()
    if sha256(content).hexdigest() != expected:
        raise BundleError(f"bundle {folder.name} is damaged: {HEAD} does not match its hash")
    tensors = read_tensors(content)
    return Head(tensors["weight"].astype(np.float32), float(tensors["bias"][0]))


def save(folder: Path, head: Head, manifest: dict[str, Any], card: str) -> None:
    """Writes a bundle; ``manifest`` gives ``encoder``, ``encoder_fingerprint``, ``metrics``, …"""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"weight": head.weight, "bias": np.array([head.bias], np.float32)}
    content = write_tensors(tensors)
    (folder / HEAD).write_bytes(content)
    whole = {
        "schema": BUNDLE_SCHEMA,
        "code_version": __version__,
        "sha256": {HEAD: sha256(content).hexdigest()},
        **manifest,
    }
    (folder / MANIFEST).write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n")
    (folder / CARD).write_text(card)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise BundleError(f"bundle {folder.name} can't be read: {error}") from None
    if manifest.get("schema") != BUNDLE_SCHEMA:
        raise BundleError(
            f"bundle {folder.name} has schema {manifest.get('schema')}, "
            f"this streamer reads {BUNDLE_SCHEMA}"
        )
    return manifest
