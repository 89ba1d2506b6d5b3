"""The sentiment in use, kept up to date while an encoder runs."""

from __future__ import annotations

from pathlib import Path

from streamer.encoding import sentiment
from streamer.encoding.encoder import Encoder
from streamer.encoding.sentiment import Bundle
from streamer.encoding.service import EncodingService
from streamer.errors import BundleError
from streamer.following import Follower, in_use
from streamer.registry import bundles, pointer
from streamer.settings import Settings


def follow(settings: Settings, service: EncodingService) -> Follower[Encoder]:
    """Follows the sentiment that is in use for the service's encoder, once one was promoted.

    Texts prepared before a change are still read by the model that was in use then.
    """
    store, slot = settings.model_store, bundles.slot("sentiment", service.fingerprint)
    name = service.encoder.sentiment_bundle
    if name:
        in_use(name)

    def opened(other: str) -> Encoder:
        return service.encoder.with_sentiment(_fitting(store / other, service.dimensions))

    return Follower(name, lambda: pointer.current(store, slot) or name, opened, service.swap)


def _fitting(folder: Path, dimensions: int) -> Bundle:
    bundle = sentiment.load(folder)
    if len(bundle.head.weight) % dimensions:
        raise BundleError(
            f"bundle {folder.name} reads {len(bundle.head.weight)} numbers of a text, which is not a "
            f"multiple of the encoder's {dimensions}"
        )
    return bundle
