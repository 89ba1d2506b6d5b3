"""Which way to run an encoder is fastest on this machine, among those that are right.

It is measured once and remembered in the cache folder for the same encoder, processor and
libraries.
"""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from streamer import __version__
from streamer.encoding.recipe import Recipe, matching
from streamer.encoding.weights import Weights
from streamer.errors import ConfigurationError

log = logging.getLogger(__name__)

MEASURING = "streamer.encoding.measuring"


def choose(
    weights: Weights, encoder: str, budget: int, cores: int, wanted: str, cache: Path
) -> Recipe:
    """The recipe with the most tokens per second whose least cosine to fp32 is high enough.

    ``encoder`` is the name that ``weights`` were resolved from. Only recipes whose name contains
    ``wanted`` compete, unless it is "auto". Raises ConfigurationError when none is left.
    """
    candidates = matching(cores, wanted)
    if not candidates:
        raise ConfigurationError(
            f"no encoder backend here is called {wanted!r}; STREAMER_ENCODER_BACKEND takes auto, or "
            f"part of: {', '.join(each.name for each in matching(cores))}"
        )
    if len(candidates) == 1:
        return candidates[0]
    memory = cache / f"backend-{_circumstances(weights, budget, candidates)}.json"
    if remembered := _remembered(memory, candidates):
        return remembered
    log.info("measuring ways to run the encoder; once on this machine")
    arguments = (encoder, str(cache), str(budget), str(cores), wanted)
    found = _measured(arguments)
    _remember(memory, found)
    return found


def _measured(arguments: Sequence[str]) -> Recipe:
    done = subprocess.run(
        [sys.executable, "-m", MEASURING, *arguments], capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise ConfigurationError(
            f"no way to run the encoder could be measured ({reason}); name one with "
            "STREAMER_ENCODER_BACKEND"
        )
    for line in lines[:-1]:
        log.info("%s", line)
    return Recipe(**json.loads(lines[-1]))


def _circumstances(weights: Weights, budget: int, candidates: Sequence[Recipe]) -> str:
    """A hash of everything that the choice depends on."""
    libraries = [f"{name} {_version(name)}" for name in ("torch", "openvino")]
    parts = [weights.fingerprint, budget, __version__, _processor(), *libraries]
    told = "|".join(map(str, [*parts, *(each.name for each in candidates)]))
    return sha256(told.encode()).hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    about = {line.partition(":")[2] for line in lines if line.startswith(("model name", "flags"))}
    return "".join(sorted(about)) or platform.processor()


def _remembered(memory: Path, candidates: Sequence[Recipe]) -> Recipe | None:
    """None also where the file can't be read, or says nothing that it could."""
    try:
        found = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return None
    return next((each for each in candidates if asdict(each) == found), None)


def _remember(memory: Path, recipe: Recipe) -> None:
    """A cache that can't be written costs the next start its time, nothing else."""
    making = memory.with_suffix(f".{time.time_ns()}")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        making.write_text(json.dumps(asdict(recipe)))
        making.replace(memory)
    except OSError as error:
        log.warning("can't remember the backend in %s: %s", memory.parent, error)
