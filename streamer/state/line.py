"""What a board consists of, for those who store it and those who decide it."""

from __future__ import annotations

import msgspec

TITLE_CHARS = 200
"""So much of a title is listed, of which the catalogue may hold a whole page."""


class Line(msgspec.Struct, array_like=True, gc=False):
    """One line of a decided board; ``told`` is the probability that its readers have, where it is
    another one."""

    item_id: str
    rank: int
    probability: float
    stage: str
    reason: str
    title: str
    previous_rank: int | None = None
    told: float | None = None
