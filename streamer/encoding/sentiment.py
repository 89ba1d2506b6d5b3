"""P(positive) of a review, from the pooled states of the same forward pass.

A bundle holds a head and, where the encoder was fine-tuned for it, what changed in the encoder (see
`adapter`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import BundleError
from streamer.registry import bundles, pointer
from streamer.registry.bundles import CARD as CARD
from streamer.registry.bundles import CURVE, TENSORS

log = logging.getLogger(__name__)

ADAPTER = "adapter.safetensors"


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
    """The folder of the sentiment bundle in use for the encoder with this fingerprint: the one that
    was promoted, else the newest. Raises BundleError."""
    promoted = pointer.current(store, bundles.slot("sentiment", fingerprint))
    if promoted:
        return store / promoted
    made_for_it = (b for b in bundles.sound(store, "sentiment") if b.encoder == fingerprint)
    newest = max(made_for_it, key=lambda bundle: bundle.made_at, default=None)
    return store / newest.name if newest else None


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


def in_use(store: Path, fingerprint: str) -> Bundle | None:
    """The sentiment bundle in use for the encoder with this fingerprint, if there is one.

    Where it can't be used, the one that was in use before it: so have encoders that were running
    when it was promoted, and a restart changes nothing. Raises BundleError if there is none.
    """
    folder = find(store, fingerprint)
    if folder is None:
        return None
    try:
        return load(folder)
    except BundleError as error:
        slot = bundles.slot("sentiment", fingerprint)
        older = pointer.opened_before(store, slot, lambda name: load(store / name))
        if older is None:
            raise
        name, bundle = older
        log.error("%s; %s is in use, which was before it", error, name)
        return bundle


def load(folder: Path) -> Bundle:
    """A bundle, every hash verified. Raises BundleError."""
    found = bundles.read(folder.parent, folder.name)
    try:
        weight, bias = found.tensors["weight"], found.tensors["bias"]
    except KeyError as error:
        raise BundleError(f"bundle {folder.name} has no sentiment in it: {error}") from None
    adapter = found.files.get(ADAPTER, b"")
    fingerprint = _mixed(found.encoder, adapter) if adapter else found.encoder
    return Bundle(
        name=folder.name,
        head=Head(weight.astype(np.float32), float(bias[0])),
        adapter=adapter,
        fingerprint=fingerprint,
        identity=_mixed(fingerprint, found.files[TENSORS]),
    )


def _mixed(name: str, content: bytes) -> str:
    return sha256(name.encode() + content).hexdigest()[:32]


def save(
    folder: Path,
    head: Head,
    manifest: dict[str, Any],
    card: str,
    adapter: bytes = b"",
    picture: bytes = b"",
) -> None:
    """Writes a bundle; ``manifest`` gives ``encoder``, ``encoder_fingerprint``, ``metrics``, …;
    ``picture`` is the learning curve. Raises BundleError if the name is taken."""
    tensors = {"weight": head.weight, "bias": np.array([head.bias], np.float32)}
    more = {name: content for name, content in ((ADAPTER, adapter), (CURVE, picture)) if content}
    bundles.write(folder.parent, folder.name, "sentiment", tensors, manifest, card, more)
