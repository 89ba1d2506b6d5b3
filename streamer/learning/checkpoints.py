"""Half-done learning on disk: written whole or not at all, and only taken up by the same work."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.encoding.tokenizer import Tokens
from streamer.errors import ConfigurationError

FILE = "checkpoint.pt"


def identity(how: object, tokens: Sequence[Tokens], label: NDArray[np.int64]) -> str:
    """A hash of what is learnt from and how."""
    digest = sha256(repr(how).encode())
    digest.update(label.tobytes())
    for text in tokens:
        digest.update(text.tobytes() + b"|")
    return digest.hexdigest()


def save(folder: Path, identity: str, state: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    making = folder / f"{FILE}.new"
    torch.save({"identity": identity, **state}, making)
    making.replace(folder / FILE)


def expect(folder: Path) -> None:
    """Raises ConfigurationError where the folder has no checkpoint."""
    if not (folder / FILE).exists():
        raise ConfigurationError(
            f"{folder} has no {FILE} to go on from: give --run the folder of the run that was cut "
            "short, or begin anew without --resume"
        )


def load(folder: Path, identity: str) -> dict[str, Any] | None:
    """The folder's checkpoint; None where it has none. It is one's own file, and is trusted as
    such. Raises ConfigurationError where it is of other work or can't be read."""
    file = folder / FILE
    if not file.exists():
        return None
    try:
        found: dict[str, Any] = torch.load(file, "cpu", weights_only=False)
    except Exception as error:  # whatever a file that is no checkpoint makes of unpickling
        why, _, _ = str(error).partition(". ")
        raise ConfigurationError(
            f"{file} is no checkpoint ({why}); delete it, or give another --run folder"
        ) from None
    if found.get("identity") != identity or "ranks" not in found:
        raise ConfigurationError(
            f"{file} is of other options, data or encoder; give the ones it was started with, "
            "or another --run folder"
        )
    return found
