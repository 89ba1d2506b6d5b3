"""P(positive) of a review, from the pooled states of the same forward pass.

A bundle holds a head and, where the encoder was fine-tuned for it, what changed in the encoder (see
`adapter`).
"""

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
ADAPTER = "adapter.safetensors"
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


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as loaded: ``adapter`` are the bytes of the changes to merge into the encoder, empty
    where there are none. ``fingerprint`` tells which encoder reads reviews then, ``identity`` also
    by which head."""

    name: str
    head: Head
    adapter: bytes
    fingerprint: str
    identity: str


def load(folder: Path) -> Bundle:
    """A bundle, its hashes verified. Raises BundleError."""
    manifest = _manifest(folder)
    files = {
        name: _verified(folder, name, expected) for name, expected in _hashes(folder, manifest)
    }
    if HEAD not in files:
        raise BundleError(f"bundle {folder.name} is damaged: its {MANIFEST} lacks {HEAD}")
    tensors = read_tensors(files[HEAD])
    head = Head(tensors["weight"].astype(np.float32), float(tensors["bias"][0]))
    base, adapter = manifest["encoder_fingerprint"], files.get(ADAPTER, b"")
    fingerprint = _mixed(base, adapter) if adapter else base
    return Bundle(folder.name, head, adapter, fingerprint, _mixed(fingerprint, files[HEAD]))


def _hashes(folder: Path, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    found = manifest.get("sha256")
    if not isinstance(found, dict):
        raise BundleError(f"bundle {folder.name} is damaged: its {MANIFEST} lacks sha256")
    return list(found.items())


def _verified(folder: Path, name: str, expected: str) -> bytes:
    try:
        content = (folder / Path(name).name).read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {folder.name} can't be read: {error}") from None
    if sha256(content).hexdigest() != expected:
        raise BundleError(f"bundle {folder.name} is damaged: {name} does not match its hash")
    return content


def _mixed(name: str, content: bytes) -> str:
    return sha256(name.encode() + content).hexdigest()[:32]


def save(
    folder: Path, head: Head, manifest: dict[str, Any], card: str, adapter: bytes = b""
) -> None:
    """Writes a bundle; ``manifest`` gives ``encoder``, ``encoder_fingerprint``, ``metrics``, …

    The manifest comes last: a bundle that is cut short is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"weight": head.weight, "bias": np.array([head.bias], np.float32)}
    files = {HEAD: write_tensors(tensors)} | ({ADAPTER: adapter} if adapter else {})
    for name, content in files.items():
        (folder / name).write_bytes(content)
    whole = {
        "schema": BUNDLE_SCHEMA,
        "code_version": __version__,
        "sha256": {name: sha256(content).hexdigest() for name, content in files.items()},
        **manifest,
    }
    (folder / CARD).write_text(card)
    making = folder / f"{MANIFEST}.new"
    making.write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n")
    making.replace(folder / MANIFEST)


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
