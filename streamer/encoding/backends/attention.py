"""Attention over texts that lie end to end: which of them attend in one product, and how.

Attention is 2 to 5 % of a batch's arithmetic and would be a quarter of its time, were it done text
by text or by torch's fused kernel, which on CPUs takes two to three times as long as two products
with a softmax in float32 between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CPU_PADDING, GPU_PADDING = 64, 8192
"""Tokens of padding that cost about as much as one product more."""
CPU_SCORES, GPU_SCORES = 1 << 20, 1 << 28
"""Scores computed at once: more of them leave a processor's cache; a GPU's kernel keeps none."""


@dataclass(frozen=True, slots=True)
class Group:
    """``texts`` of ``length`` after padding, in the rows [first, last) of the flat sequence.

    Where any is padded, ``rows`` gathers them to [texts * length], ``back`` picks out of that what
    goes back to the flat sequence, and ``mask`` [texts, 1, 1, length] is -inf on padding.
    """

    first: int
    last: int
    texts: int
    length: int
    rows: Tensor | None = None
    back: Tensor | None = None
    mask: Tensor | None = None


def plan(lengths: Sequence[int], heads: int, device: torch.device) -> list[Group]:
    """Groups of texts side by side, whose ``lengths`` ascend."""
    gpu = device.type == "cuda"
    padding, scores = (GPU_PADDING, GPU_SCORES) if gpu else (CPU_PADDING, CPU_SCORES)
    starts = np.cumsum([0, *lengths])
    return [
        _group(lengths[a:b], int(starts[a]), device)
        for a, b in pairwise(_bounds(lengths, heads, padding, scores))
    ]


def _bounds(lengths: Sequence[int], heads: int, padding: int, scores: int) -> Iterator[int]:
    """Where each group begins, and the end."""
    first = tokens = 0
    for place, length in enumerate(lengths):
        texts, tokens = place - first + 1, tokens + length
        wasted = texts * length - tokens
        if place > first and (wasted > padding or texts * heads * length**2 > scores):
            yield first
            first, tokens = place, length
    yield first
    yield len(lengths)


def _group(lengths: Sequence[int], first: int, device: torch.device) -> Group:
    texts, length, total = len(lengths), lengths[-1], sum(lengths)
    if lengths[0] == length:
        return Group(first, first + total, texts, length)
    sizes, place = np.array(lengths), np.arange(length)
    real = place < sizes[:, None]
    starts = first + np.cumsum(sizes) - sizes
    rows = np.where(real, starts[:, None] + place, first)
    mask = np.where(real, 0.0, -np.inf).astype(np.float32)[:, None, None, :]

    def move(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(device, non_blocking=True)

    back = np.flatnonzero(real)
    return Group(first, first + total, texts, length, move(rows.ravel()), move(back), move(mask))


Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def by_products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """For CPUs: ``q`` is scaled already."""
    scores = torch.matmul(q, k.transpose(-1, -2)).float()
    if mask is not None:
        scores += mask
    return torch.matmul(scores.softmax(-1).to(v.dtype), v)


def fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """For GPUs: ``q`` is scaled already."""
    bias = None if mask is None else mask.to(q.dtype)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)


def attend(qkv: Tensor, groups: Sequence[Group], heads: int, how: Attend) -> Tensor:
    """[tokens, 3 * width] → [tokens, width]; rows beyond the texts are zero."""
    out = qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)
    for group in groups:
        mine = qkv[group.first : group.last]
        if group.rows is not None:
            mine = qkv.index_select(0, group.rows)
        parts = mine.view(group.texts, group.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        mixed = how(parts[0], parts[1], parts[2], group.mask).transpose(1, 2)
        target = out[group.first : group.last]
        if group.back is None:
            target.view(group.texts, group.length, heads, -1).copy_(mixed)
        else:
            flat = mixed.reshape(group.texts * group.length, -1)
            torch.index_select(flat, 0, group.back, out=target)
    out[groups[-1].last :] = 0
    return out


def scale(width: int, heads: int) -> float:
    """What queries are multiplied by: folded into their weights, it costs nothing."""
    return 1 / math.sqrt(width // heads)
