"""The documents that are generated from the code: `python -m tools.documents [--check]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tools.documents import asyncapi, reference, schemas, topics

FOLDER = Path(__file__).parents[2] / "docs"


def documents() -> dict[str, str]:
    """Every generated document by its path under docs/."""
    return {
        "topics.md": topics.page(),
        "reference.md": reference.page(),
        "asyncapi.json": asyncapi.document(),
        **schemas.files(),
    }


def drifted(folder: Path = FOLDER) -> Iterator[str]:
    """Paths whose file is not what the code says, and schemas that no topic has any more."""
    expected = documents()
    for path, text in expected.items():
        file = folder / path
        if not file.exists() or file.read_bytes() != text.encode():
            yield path
    for file in sorted((folder / "schemas").glob("*")):
        path = f"schemas/{file.name}"
        if path not in expected:
            yield path


def write(folder: Path = FOLDER) -> None:
    """Brings the files up to date."""
    for path in list(drifted(folder)):
        file = folder / path
        text = documents().get(path)
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
