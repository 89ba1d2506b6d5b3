"""Cleaned text to token ids, by the encoder's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import regex
from numpy.typing import NDArray
from tokenizers import Tokenizer as _Tokenizer

from streamer.encoding.clean import clean
from streamer.encoding.weights import damaged
from streamer.errors import ConfigurationError

Tokens = NDArray[np.int32]

CHARS_PER_TOKEN = 10
"""A cut at this many characters per token of the model's maximum loses nothing it could read:
even long-winded English has fewer."""

FOREIGN_SHARE = 0.2
"""Of a text's characters: an English review that quotes a Chinese word stays English."""

_HAN = regex.compile(r"\p{Han}")
_UNKNOWN = ("[UNK]", "<unk>")


class Tokenizer:
    """One encoder's tokenizer with its prefix and maximum length.

    ``max_tokens`` counts the special tokens and the prefix too; ``reads_han`` says whether the encoder
    understands Chinese. Raises ConfigurationError.
    """

    def __init__(self, file: Path, *, prefix: str, max_tokens: int, reads_han: bool = True) -> None:
        try:
            self._tokenizer = _Tokenizer.from_file(str(file))
        except Exception as error:  # it raises nothing narrower
            raise damaged(file, error) from None
        self._tokenizer.no_padding()
        self._bare = len(self._tokenizer.encode(prefix).ids)
        if self._bare >= max_tokens:
            raise ConfigurationError(
                f"the encoder in {file.parent} leaves no room for a text in its {max_tokens} "
                "tokens: correct max_seq_length or max_tokens there"
            )
        self._tokenizer.enable_truncation(max_tokens)
        self._prefix = prefix
        self._reads_han = reads_han
        self._max_chars = max_tokens * CHARS_PER_TOKEN
        self._unknown = {self._tokenizer.token_to_id(name) for name in _UNKNOWN}
        self.reads_emoji = lru_cache(4096)(self._reads)

    def clean(self, text: str) -> str:
        """What this encoder would read of the text; "" if there is nothing."""
        return clean(text, self._max_chars, self.reads_emoji)

    def foreign(self, cleaned: str) -> bool:
        """Whether the text is in a script that the encoder has tokens for and does not understand:
        what a head says of it means nothing."""
        if self._reads_han or cleaned.isascii():
            return False
        return len(_HAN.findall(cleaned)) > FOREIGN_SHARE * len(cleaned)

    def tokenize(self, cleaned: Sequence[str]) -> list[Tokens | None]:
        """Token ids of each cleaned text; None where no token but the special ones comes out."""
        found = self._tokenizer.encode_batch_fast([self._prefix + text for text in cleaned])
        return [
            np.array(each.ids, np.int32) if len(each.ids) > self._bare else None for each in found
        ]

    def _reads(self, symbol: str) -> bool:
        ids = self._tokenizer.encode(symbol, add_special_tokens=False).ids
        return bool(ids) and self._unknown.isdisjoint(ids)
