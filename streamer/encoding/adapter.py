"""What fine-tuning changed in an encoder, small enough to ship, and merged away before serving.

A changed tensor is kept as two factors of what was added to it (LoRA; Hu et al., 2022), or, where
all of it was learnt, as it is now. Merged into the encoder's own tensors they cost nothing: the
review model is an encoder like any other, and shares every tensor that did not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

DOWN, UP = ".down", ".up"
RANK_TOLERANCE = 1e-4
"""Directions whose share of the largest singular value is below this are rounding."""


def merged(tensors: Mapping[str, Tensor], changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors with the changes; those that did not change are the same objects."""
    found = dict(tensors)
    for name, change in changes.items():
        if name.endswith(DOWN):
            whole = name.removesuffix(DOWN)
            added = changes[whole + UP].float() @ change.float()
            found[whole] = tensors[whole] + added.to(tensors[whole].dtype)
        elif not name.endswith(UP):
            found[name] = change.to(tensors[name].dtype)
    return found


def changes(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], *, whole: bool
) -> dict[str, Tensor]:
    """What turns ``before`` into ``after``: factors of each difference, or each changed tensor
    ``whole``; in float16."""
    found: dict[str, Tensor] = {}
    for name, tensor in after.items():
        added = tensor - before[name]
        if not added.any():
            continue
        if whole or added.dim() != 2:
            found[name] = tensor.half().contiguous()
        else:
            found |= dict(_factors(name, added))
    return found


def _factors(name: str, added: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The factors of equal norm, so that both stay well within float16."""
    up, sizes, down = torch.linalg.svd(added.double(), full_matrices=False)
    rank = int((sizes > RANK_TOLERANCE * sizes[0]).sum())
    root = sizes[:rank].sqrt()
    yield name + DOWN, (root[:, None] * down[:rank]).half().contiguous()
    yield name + UP, (up[:, :rank] * root).half().contiguous()
