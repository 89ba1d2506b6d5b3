"""Packs many scores at once as `ItemScore` messages.

All messages of a bundle have the same shape, so their fixed parts are laid out once as rows of
bytes and the numbers written into them column by column: several times faster than packing one
message after the other. What comes out is plain MessagePack; events.py says what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.events import SCHEMA, ItemScore
from streamer.scoring.predictor import STAGES, Scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_pack = msgspec.msgpack.Encoder().encode
_FLOAT, _UINT64 = b"\xcb" + bytes(8), b"\xcf" + bytes(8)
_FIELDS = ItemScore.__struct_fields__


def _map_header(fields: int) -> bytes:
    return bytes([0x80 | fields])


@dataclass(frozen=True, slots=True)
class _Rows:
    """One fixed part: a template, and where in it each number's eight bytes begin."""

    template: bytes
    places: tuple[int, ...]

    @classmethod
    def of(cls, parts: Sequence[tuple[bytes, bytes]]) -> _Rows:
        """From (key or constant, number placeholder or nothing) pairs."""
        template, places = b"", []
        for constant, number in parts:
            template += constant
            if number:
                places.append(len(template) + 1)
                template += number
        return cls(template, tuple(places))

    def fill(self, columns: Sequence[NDArray[np.generic]]) -> list[bytes]:
        """The part of every message, ``columns`` in the order of the numbers."""
        count, width = len(columns[0]), len(self.template)
        rows = np.tile(np.frombuffer(self.template, np.uint8), (count, 1))
        for place, column in zip(self.places, columns, strict=True):
            kind = ">u8" if column.dtype.kind in "iu" else ">f8"
            rows[:, place : place + 8] = column.astype(kind).view(np.uint8).reshape(count, 8)
        packed = rows.tobytes()
        return [packed[start : start + width] for start in range(0, count * width, width)]


class ScorePacker:
    """Packs scores of one bundle: its name, its contributions' names and its phrases."""

    def __init__(self, model: str, names: Sequence[str], phrases: Sequence[str]) -> None:
        self._start = _map_header(len(_FIELDS)) + _pack("item_id")
        self._first = _Rows.of([(_pack("probability"), _FLOAT), (_pack("uncertainty"), _FLOAT)])
        self._stages = [_pack("stage") + _pack(stage) for stage in STAGES]
        contributions = [(_pack(name), _FLOAT) for name in names]
        self._second = _Rows.of(
            [
                (_pack("logit"), _FLOAT),
                (_pack("contributions") + _map_header(len(names)), b""),
                *contributions,
                (_pack("reasons"), b""),
            ]
        )
        self._phrases = [_pack(phrase) for phrase in phrases]
        self._last = _Rows.of(
            [
                (_pack("model") + _pack(model) + _pack("version"), _UINT64),
                (_pack("time"), _FLOAT),
                (_pack("schema") + _pack(SCHEMA), b""),
            ]
        )

    def pack(
        self,
        ids: Sequence[str],
        scores: Scores,
        phrases: Ints,
        versions: Floats,
        time: float,
    ) -> list[bytes]:
        """One message an item. ``phrases`` (items, reasons) are places among the phrases."""
        if not ids:
            return []
        first = self._first.fill([scores.probability, scores.uncertainty])
        second = self._second.fill([scores.logit, *scores.contributions.T])
        last = self._last.fill([versions.astype(np.int64), np.full(len(ids), time)])
        start, stages, words = self._start, self._stages, self._phrases
        many = bytes([0x90 | phrases.shape[1]])
        return [
            b"".join((start, _pack(item_id), a, stages[s], b, many, *[words[p] for p in ps], c))
            for item_id, a, s, b, ps, c in zip(
                ids, first, scores.stage.tolist(), second, phrases.tolist(), last, strict=True
            )
        ]
