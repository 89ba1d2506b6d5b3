"""The stage before the model: clean, look up, tokenise. Runs on a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.encoding import cache
from streamer.encoding.cache import Cache, Encoded
from streamer.encoding.model import Model
from streamer.encoding.tokenizer import Tokens
from streamer.encoding.work import Request, Work
from streamer.errors import BadEvent

Prepared = Work | Encoded | BadEvent


def prepare(model: Model, requests: Sequence[Request], known: Cache) -> list[Prepared]:
    """For each request of one model: its work, or what the cache knows, or why it can't be."""
    cleaned = [model.tokenizer.clean(request.text) for request in requests]
    keys = [
        cache.key(model.identity or model.fingerprint, request.kind, text)
        for request, text in zip(requests, cleaned, strict=True)
    ]
    found = known.get_many(keys)
    missing = [i for i, encoded in enumerate(found) if encoded is None]
    prepared: list[Prepared | None] = list(found)
    tokenised = model.tokenizer.tokenize([cleaned[i] for i in missing])
    for i, tokens in zip(missing, tokenised, strict=True):
        if tokens is None:
            prepared[i] = unreadable(cleaned[i])
        else:
            foreign = model.tokenizer.foreign(cleaned[i])
            prepared[i] = _work(model, keys[i], tokens, requests[i], foreign)
    return [each for each in prepared if each is not None]


def _work(model: Model, key: bytes, tokens: Tokens, request: Request, foreign: bool) -> Work:
    kind, arrived, priority = request.kind, request.arrived, request.priority
    return Work(key, tokens, kind, model, arrived, priority, [request], foreign)


def unreadable(cleaned: str) -> BadEvent:
    """Why nothing comes of a cleaned text."""
    if not cleaned:
        return BadEvent("empty-text", "nothing is left of the text once markup and noise are gone")
    return BadEvent("unreadable-text", f"the encoder has no token for {cleaned[:40]!r}")
