"""One batch through its model, come what may: cut in two when it fails, blamed text by text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.encoding import probe
from streamer.encoding.cache import Encoded
from streamer.encoding.model import Model
from streamer.encoding.work import Work
from streamer.errors import BadEvent, StreamerError

Result = Encoded | BadEvent


class ModelBroken(StreamerError):
    """The model fails on any text: no text's fault."""

    exit_code = 1


def forward(model: Model, batch: Sequence[Work], on_split: Callable[[], None]) -> list[Result]:
    """The result of each text of a batch of one kind.

    A batch that fails, be it for lack of memory, is cut in two and tried again, down to single
    texts. Raises ModelBroken when a single text fails and a harmless one does too.
    """
    try:
        results = model.encode([work.tokens for work in batch], batch[0].kind)
    except Exception as error:
        if len(batch) == 1:
            return [_blame(model, error)]
        on_split()
        half = len(batch) // 2
        return [
            *forward(model, batch[:half], on_split),
            *forward(model, batch[half:], on_split),
        ]
    return [_result(each, work) for each, work in zip(results, batch, strict=True)]


def _result(encoded: Encoded | None, work: Work) -> Result:
    if encoded is None:
        return BadEvent("not-finite", "the model's numbers are not finite")
    return encoded._replace(sentiment=None) if work.foreign else encoded


def _blame(model: Model, error: Exception) -> BadEvent:
    harmless = next(
        tokens for tokens in model.tokenizer.tokenize(probe.texts()[:1]) if tokens is not None
    )
    try:
        model.embed([harmless])
    except Exception:
        raise ModelBroken(
            f"the encoder fails on every text ({type(error).__name__}: {error}); restart it"
        ) from error
    return BadEvent("encoding-failed", f"{type(error).__name__}: {error}")
