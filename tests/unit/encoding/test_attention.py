from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.encoding.backends.attention import CPU_SCORES, attend, by_products, fused, plan

HEADS, WIDTH = 2, 8
CPU = torch.device("cpu")

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=30).map(sorted)


def text_by_text(qkv: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Each text by itself, head by head, as the formula has it."""
    out, start = torch.zeros(len(qkv), WIDTH), 0
    for size in sizes:
        q, k, v = qkv[start : start + size].view(size, 3, HEADS, -1).unbind(1)
        for head in range(HEADS):
            weights = (q[:, head] @ k[:, head].T).softmax(-1)
            columns = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
            out[start : start + size, columns] = weights @ v[:, head]
        start += size
    return out


@settings(max_examples=40, deadline=None)
@given(lengths, st.sampled_from([by_products, fused]), st.integers(0, 9))
def test_no_text_sees_another_however_they_are_grouped(
    sizes: list[int], how: object, filling: int
) -> None:
    torch.manual_seed(0)
    qkv = torch.randn(sum(sizes) + filling, 3 * WIDTH)
    mixed = attend(qkv, plan(sizes, HEADS, CPU), HEADS, how)  # type: ignore[arg-type]
    torch.testing.assert_close(mixed, text_by_text(qkv, sizes), atol=1e-5, rtol=1e-4)


@given(lengths)
def test_groups_lie_side_by_side_and_cover_all(sizes: list[int]) -> None:
    groups = plan(sizes, 12, CPU)
    assert groups[0].first == 0
    assert groups[-1].last == sum(sizes)
    assert all(a.last == b.first for a, b in itertools.pairwise(groups))
    assert sum(group.texts for group in groups) == len(sizes)


def test_a_group_of_long_texts_stays_small() -> None:
    groups = plan([200] * 40, 12, CPU)
    assert all(group.texts * 12 * group.length**2 <= CPU_SCORES for group in groups)
    assert len(groups) > 1


def test_padding_stays_small() -> None:
    sizes = sorted(np.random.default_rng(0).integers(5, 200, 60).tolist())
    padded = sum(group.texts * group.length for group in plan(sizes, 12, CPU))
    assert padded < 1.2 * sum(sizes)


def test_queries_come_scaled() -> None:
    q = torch.tensor([[[[8.0]], [[0.0]]]]).permute(0, 2, 1, 3)
    k, v = torch.tensor([[[[1.0], [0.0]]]]), torch.tensor([[[[1.0], [0.0]]]])
    (high, even) = by_products(q, k, v, None).flatten().tolist()
    assert high == pytest.approx(torch.tensor([8.0, 0.0]).softmax(0)[0].item())
    assert even == pytest.approx(0.5)
