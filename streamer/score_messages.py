"""Packs many scores at once as `ItemScore` messages.

All messages of a bundle have the same numbers, so what is fixed around these is laid out once as
rows of bytes and the numbers written into them column by column: several times faster than packing one
message after the other. What comes out is plain MessagePack; events.py says what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.events import SCHEMA, ItemScore
from streamer.scoring.predictor import STAGES, Scores
from streamer.state.remembered import Remembered

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_pack = msgspec.msgpack.Encoder().encode
_FLOAT, _UINT64 = ">f8", ">u8"
_PLACEHOLDERS = {_FLOAT: b"\xcb" + bytes(8), _UINT64: b"\xcf" + bytes(8)}
_FIELDS = ItemScore.__struct_fields__
_PLACE = np.dtype("<u2")
_ALL = slice(None)
REMEMBERED_REASONS = 20_000
"""What is said of an item, its stage and reasons, is said of many: packed once for all."""


def _map_header(fields: int) -> bytes:
    return bytes([0x80 | fields])


class _Rows:
    """One fixed part: a template, and in it the numbers as numpy writes them."""

    def __init__(self, parts: Sequence[tuple[bytes, str]]) -> None:
        """From (key or constant, kind of the number behind it or nothing) pairs."""
        self._template, kinds, places = b"", [], []
        for constant, kind in parts:
            self._template += constant
            if kind:
                kinds.append(kind)
                places.append(len(self._template) + 1)
                self._template += _PLACEHOLDERS[kind]
        names = [f"number {place}" for place in places]
        width = len(self._template)
        self._row = np.dtype(
            {"names": names, "formats": kinds, "offsets": places, "itemsize": width}
        )

    def fill(self, columns: Sequence[NDArray[np.generic]]) -> list[bytes]:
        """The part of every message, ``columns`` in the order of the numbers."""
        rows = np.frombuffer(bytearray(self._template * len(columns[0])), self._row)
        for name, column in zip(self._row.names or (), columns, strict=True):
            rows[name] = column
        return _rows(rows)


def _rows(array: NDArray[np.generic]) -> list[bytes]:
    """The bytes of each row."""
    packed, width = array.tobytes(), array.strides[0]
    return [packed[start : start + width] for start in range(0, len(packed), width)]


class ScorePacker:
    """Packs scores of one bundle: its name, its contributions' names and its phrases."""

    def __init__(self, model: str, names: Sequence[str], phrases: Sequence[str]) -> None:
        self._start = _map_header(len(_FIELDS)) + _pack("item_id")
        self._stages = [_pack("stage") + _pack(stage) + _pack("reasons") for stage in STAGES]
        self._phrases = [_pack(phrase) for phrase in phrases]
        self._said = Remembered(self._say, REMEMBERED_REASONS)
        self._numbers = _Rows(
            [
                (_pack("probability"), _FLOAT),
                (_pack("uncertainty"), _FLOAT),
                (_pack("logit"), _FLOAT),
                (_pack("contributions") + _map_header(len(names)), ""),
                *((_pack(name), _FLOAT) for name in names),
                (_pack("model") + _pack(model) + _pack("version"), _UINT64),
                (_pack("time"), _FLOAT),
                (_pack("schema") + _pack(SCHEMA), ""),
            ]
        )

    def pack(
        self,
        ids: Sequence[str],
        scores: Scores,
        phrases: Ints,
        versions: Floats,
        time: float,
        places: Ints | slice = _ALL,
    ) -> list[bytes]:
        """One message an item, by the scores, phrases and versions at these places. ``phrases``
        (items, reasons) are places among the phrases."""
        if not ids:
            return []
        said = _rows(np.column_stack([scores.stage[places], phrases[places]]).astype(_PLACE))
        numbers = self._numbers.fill(
            [
                *(scores.probability[places], scores.uncertainty[places], scores.logit[places]),
                *scores.contributions[places].T,
                *(versions[places], np.full(len(ids), time)),
            ]
        )
        start, words = self._start, self._said
        return [
            b"".join((start, _pack(item_id), words[places], some))
            for item_id, places, some in zip(ids, said, numbers, strict=True)
        ]

    def _say(self, places: bytes) -> bytes:
        """A stage and reasons in words, from their places one after the other."""
        stage, *reasons = np.frombuffer(places, _PLACE).tolist()
        words = [self._phrases[place] for place in reasons]
        return b"".join((self._stages[stage], bytes([0x90 | len(words)]), *words))
