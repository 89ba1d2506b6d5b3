"""Processes that learn one model together, as `torchrun` starts them; alone, all of it is nothing.

The first of them, rank 0, does the work of one that is alone. The others only learn along.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar, cast

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from streamer.errors import ConfigurationError

T = TypeVar("T")

PATIENCE = timedelta(hours=6)
"""How long the others wait while the first replays and fits trees."""


@contextmanager
def together() -> Iterator[bool]:
    """Joins the processes that `torchrun` started, if it did, and leaves together with them: whoever
    goes earlier may abort those that still listen to it. Gives whether this is the first.

    Raises ConfigurationError where there are GPUs, but fewer than processes."""
    if not distributed.is_torchelastic_launched():
        yield True
        return
    if torch.cuda.is_available():
        gpus, processes = torch.cuda.device_count(), int(os.environ["LOCAL_WORLD_SIZE"])
        if processes > gpus:
            raise ConfigurationError(
                f"{processes} processes can't share {gpus} GPUs; give torchrun "
                f"--nproc-per-node {gpus}, or set CUDA_VISIBLE_DEVICES= to learn on the CPU"
            )
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield rank() == 0
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def shared(value: T) -> T:
    """The first's value, in every process."""
    if count() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


def parallel(network: nn.Sequential) -> nn.Module:
    """The network with its gradients averaged over the processes."""
    return cast(nn.Module, DistributedDataParallel(network)) if count() > 1 else network
