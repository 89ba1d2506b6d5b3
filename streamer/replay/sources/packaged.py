"""Data files that come inside PyPI packages, read without importing the package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from streamer.errors import DependencyMissing


def packaged(module: str, distribution: str, extra: str, *path: str) -> Path:
    """The path of a file inside an installed package. Raises DependencyMissing."""
    spec = find_spec(module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, *path)
        if file.exists():
            return file
    raise DependencyMissing(f"{distribution} (a data set)", extra)


def parquet() -> Any:
    """The module pyarrow.parquet. Raises DependencyMissing."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise DependencyMissing("pyarrow", "demo") from None
    return pyarrow.parquet
