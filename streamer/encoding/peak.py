"""How close an encoder comes to what the processor, or the GPU, can multiply."""

from __future__ import annotations

import time
from typing import Any

import torch

from streamer.encoding.weights import Weights

ROWS, INNER, COLUMNS = 4096, 2048, 2048
ROUNDS = 8


def flops_per_token(weights: Weights) -> int:
    """Of the linear layers; attention and the rest add 2 to 5 %, and are not counted."""
    config: dict[str, Any] = weights.config
    width, inner = config["hidden_size"], config["intermediate_size"]
    return int(config["num_hidden_layers"] * 2 * (4 * width * width + 2 * width * inner))


def peak_flops(threads: int, device: str = "cpu") -> float:
    """Of one large product of matrices in bf16, per second, the best of a few."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    a = torch.randn(ROWS, INNER, dtype=torch.bfloat16, device=device)
    b = torch.randn(INNER, COLUMNS, dtype=torch.bfloat16, device=device)
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        torch.mm(a, b)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    torch.set_num_threads(before)
    return 2 * ROWS * INNER * COLUMNS / best
