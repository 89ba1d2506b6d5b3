"""The sentiment head in use, kept up to date while an encoder runs."""

from __future__ import annotations

from pathlib import Path

from streamer.encoding import sentiment
from streamer.encoding.sentiment import Head
from streamer.encoding.service import EncodingService
from streamer.errors import BundleError
from streamer.following import Follower, in_use
from streamer.registry import bundles, pointer


def follow(store: Path, service: EncodingService) -> Follower[Head]:
    """Follows the sentiment that is in use for the service's encoder, once one was promoted.

    Reviews prepared before a change are still read by the head that was in use then.
    """
    slot = bundles.slot("sentiment", service.fingerprint)
    found = sentiment.find(store, service.fingerprint)
    name = found.name if found else ""
    if name:
        in_use(name)
    return Follower(
        name,
        lambda: pointer.current(store, slot) or name,
        lambda other: _fitting(store / other, service.dimensions),
        lambda head: service.swap(service.encoder.with_head(head)),
    )


def _fitting(folder: Path, dimensions: int) -> Head:
    head = sentiment.load(folder)
    if len(head.weight) % dimensions:
        raise BundleError(
            f"bundle {folder.name} reads {len(head.weight)} numbers of a text, which is not a "
            f"multiple of the encoder's {dimensions}"
        )
    return head
