"""Merging rows of fields in numpy, for many rows at once. merge.lua does the same for one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.state.layout import Layout

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_DOUBLINGS = 512.0


def merge_groups(layout: Layout, x: Floats, group: Ints) -> tuple[Ints, Floats]:
    """Merges the rows of each group into one.

    ``x`` has shape (rows, fields), ``group`` says which group a row belongs to. Returns the groups in
    ascending order, and the rows that they merge into.
    """
    if not len(x):
        return group, x
    order = group.argsort(kind="stable")
    x, group = x[order], group[order]
    begins = np.concatenate([[True], group[1:] != group[:-1]])
    starts = begins.nonzero()[0]
    least, greatest = len(layout.least), len(layout.least) + len(layout.greatest)
    out = np.empty((len(starts), x.shape[1]))
    if least:
        out[:, :least] = np.minimum.reduceat(x[:, :least], starts)
    out[:, least:greatest] = np.maximum.reduceat(x[:, least:greatest], starts)
    scaled = at_time(layout, x, out[begins.cumsum() - 1, layout.index["last_time"]])
    out[:, greatest:] = np.add.reduceat(scaled[:, greatest:], starts)
    return group[starts], out


def merged(layout: Layout, x: Floats, delta: Floats) -> Floats:
    """Merges row by row; both of shape (rows, fields), as is the result."""
    least, greatest = len(layout.least), len(layout.least) + len(layout.greatest)
    last = layout.index["last_time"]
    latest = np.maximum(x[:, last], delta[:, last])
    out = at_time(layout, x, latest)
    added = delta if (delta[:, last] == latest).all() else at_time(layout, delta, latest)
    out[:, greatest:] += added[:, greatest:]
    np.minimum(x[:, :least], delta[:, :least], out=out[:, :least])
    np.maximum(x[:, least:greatest], delta[:, least:greatest], out=out[:, least:greatest])
    return out


def at_time(layout: Layout, x: Floats, time: Floats | float) -> Floats:
    """The rows with their decayed fields as of ``time`` (seconds; a row each, or one for all).

    Before a row's last event they are larger, up to a bound that keeps them finite.
    """
    out = x.copy()
    _decay_fields(layout, out.T, time)
    return out


def by_field(layout: Layout, x: Floats, time: Floats | float) -> dict[str, Floats]:
    """The same by name of the field, each an array of its own. ``x`` has shape (fields, ...)."""
    out = x.copy()
    _decay_fields(layout, out, time)
    return dict(zip(layout.fields, out, strict=True))


def _decay_fields(layout: Layout, x: Floats, time: Floats | float) -> None:
    """Brings decayed fields to ``time``, in place; ``x`` has shape (fields, ...)."""
    half_lives, place = layout.decaying
    age = _age(x[layout.index["last_time"]], time)
    x[layout.decayed_slice] *= _decay(age, half_lives.reshape(-1, *[1] * age.ndim))[place]


def field_at_time(layout: Layout, x: Floats, rows: Ints, field: str, time: Floats) -> Floats:
    """One decayed field of those rows, as `at_time` has it."""
    column = layout.index[field]
    half_life = layout.half_lives[column - layout.decayed_slice.start]
    decay = _decay(_age(x[rows, layout.index["last_time"]], time), half_life)
    value: Floats = x[rows, column] * decay
    return value


def _age(last: Floats, time: Floats | float) -> Floats:
    dated = np.isfinite(last)
    return np.where(dated, time, 0.0) - np.where(dated, last, 0.0)


def _decay(age: Floats, half_lives: Floats | float) -> Floats:
    decay: Floats = np.exp2(np.minimum(age / -half_lives, _MOST_DOUBLINGS))
    return decay
