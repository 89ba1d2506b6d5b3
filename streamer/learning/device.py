"""Where networks learn, and in which precision."""

from __future__ import annotations

import torch


def device() -> torch.device:
    """The GPU, where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half(of: torch.device) -> torch.dtype:
    """The narrower type that a device multiplies in: bf16, or fp16 on GPUs without it."""
    fp16 = of.type == "cuda" and not torch.cuda.is_bf16_supported()
    return torch.float16 if fp16 else torch.bfloat16


def scaler(of: torch.device) -> torch.amp.GradScaler:
    """Keeps small gradients alive in fp16; does nothing in bf16."""
    return torch.amp.GradScaler(of.type, enabled=half(of) is torch.float16)
