"""The sentiment in use, kept up to date while an encoder runs."""

from __future__ import annotations

from pathlib import Path

from streamer.encoding import sentiment
from streamer.encoding.sentiment import Bundle
from streamer.encoding.service import EncodingService
from streamer.errors import BundleError
from streamer.following import Follower, in_use
from streamer.registry import bundles, pointer


def follow(store: Path, service: EncodingService) -> Follower[Bundle]:
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
        lambda bundle: service.swap(service.encoder.with_sentiment(bundle)),
    )


def _fitting(folder: Path, dimensions: int) -> Bundle:
    bundle = sentiment.load(folder)
    if len(bundle.head.weight) % dimensions:
        raise BundleError(
            f"bundle {folder.name} reads {len(bundle.head.weight)} numbers of a text, which is not a "
            f"multiple of the encoder's {dimensions}"
        )
    return bundle
