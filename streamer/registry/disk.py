"""Files that are whole or not there, whenever the writer dies."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

HALF_WRITTEN = ".new-"
"""What a folder's name begins with until it is whole."""


def place(folder: Path, files: Mapping[str, bytes]) -> None:
    """Makes a folder of these files, all at once. Raises OSError."""
    prefix = f"{HALF_WRITTEN}{folder.name}-"
    new = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        new.chmod(0o755)
        for name, content in files.items():
            write_through(new / name, content)
        os.rename(new, folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    sync(folder.parent)


def replace(path: Path, content: bytes) -> None:
    """Writes a file in the place of another one, all at once. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    write_through(new, content)
    new.replace(path)
    sync(path.parent)


def write_through(path: Path, content: bytes) -> None:
    """Writes a file down to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Makes what was renamed in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
