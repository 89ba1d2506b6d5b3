"""The Lua scripts, with what depends on a record type written out from its layout."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from math import inf

from streamer.state.layout import KIN, REVIEWS, Layout, decayed_name
from streamer.state.records import place_of

_VERSION_AT = str(1 + place_of("version"))
"""Where in the record of an item its version is, counted from 1."""


@cache
def source(name: str) -> str:
    """The text of ``<name>.lua`` behind what it builds on."""
    return script(name, KIN, REVIEWS).replace("@item.version_at@", _VERSION_AT)


def plain(name: str) -> str:
    """The text of a script that knows nothing of records."""
    return _read(name)


def script(name: str, *layouts: Layout) -> str:
    """The text of ``<name>.lua`` for these layouts."""
    text, rest = _read("records"), _read(name)
    for layout in layouts:
        if f"current_{layout.name}(" in rest or f"merge_{layout.name}(" in rest:
            text += _fill(_read("current"), layout, "")
        if f"merge_{layout.name}(" in rest:
            text += _fill(_read("merge"), layout, "")
        rest = _fill(rest, layout, f"{layout.name}.")
    return text + rest


def _fill(text: str, layout: Layout, prefix: str) -> str:
    for mark, code in _fragments(layout).items():
        text = text.replace(f"@{prefix}{mark}@", code)
    return text


def _read(name: str) -> str:
    return files("streamer.state").joinpath(f"{name}.lua").read_text()


def _fragments(layout: Layout) -> dict[str, str]:
    return {
        "name": layout.name,
        "schema": str(layout.schema),
        "head_bytes": str(layout.head.itemsize),
        "format": _format(layout, layout.fields),
        "stored": _locals("a", layout.fields),
        "added": _locals("b", layout.fields),
        "decay_stored": _decay("a", layout),
        "decay_added": _decay("b", layout),
        "keep_least": _choose("<", layout.least),
        "keep_greatest": _choose(">", tuple(n for n in layout.greatest if n != "last_time")),
        "merged": _merged(layout),
        "upgrades": " ".join(_upgrade(layout, *older) for older in layout.older),
    }


def _start(layout: Layout) -> int:
    """Where in a record, counted from 1, the fields begin."""
    return layout.head.itemsize - 8 * len(layout.fields) + 1


def _format(layout: Layout, fields: tuple[str, ...]) -> str:
    return "<H" + "H" * len(layout.lists) + "d" * len(fields)


def _locals(side: str, fields: tuple[str, ...]) -> str:
    return ", ".join(f"{side}_{name}" for name in fields)


def _decay(side: str, layout: Layout) -> str:
    lines = []
    for half_life, signals in layout.decayed:
        lines.append(f"factor = 2 ^ (-age / {half_life:.0f})")
        for signal in signals:
            name = f"{side}_{decayed_name(signal, half_life)}"
            lines.append(f"{name} = {name} * factor")
    return " ".join(lines)


def _choose(comparison: str, names: tuple[str, ...]) -> str:
    return " ".join(f"if b_{n} {comparison} a_{n} then a_{n} = b_{n} end" for n in names)


def _merged(layout: Layout) -> str:
    chosen = set(layout.least + layout.greatest)
    return ", ".join(f"a_{n}" if n in chosen else f"a_{n} + b_{n}" for n in layout.fields)


def _upgrade(layout: Layout, schema: int, fields: tuple[str, ...]) -> str:
    """Lua table entry: a record of an older schema → the same record in the current one."""
    lists = [f"a_{name}" for name, _ in layout.lists]
    identity = dict(zip(layout.fields, layout.identity, strict=True))
    values = [f"a_{n}" if n in fields else _lua_number(identity[n]) for n in layout.fields]
    before = ", ".join(["a_schema", *lists, _locals("a", fields)])
    return (
        f"[{schema}] = function(record) local {before} = "
        f"unpack_('{_format(layout, fields)}', record) "
        f"return pack('{_format(layout, layout.fields)}c0', {layout.schema}, "
        f"{', '.join(lists + values)}, "
        f"sub(record, {_start(layout) + 8 * len(fields)})) end,"
    )


def _lua_number(value: float) -> str:
    return {inf: "math.huge", -inf: "-math.huge"}.get(value, "0")
