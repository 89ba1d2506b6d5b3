"""What a PromQL expression names: series with their matchers, functions, labels it groups by."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

AGGREGATES = {"sum", "max", "min", "avg", "count"}
_CLAUSES = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset"}
_TOKEN = re.compile(
    r"""(?P<string>"[^"]*") | (?P<range>\[[^\]]*\]) | (?P<name>[a-zA-Z_:][\w:]*)
      | (?P<number>\d[\w.]*) | (?P<sign>=~|!~|!=|[<>=]=?|[-+*/%^(){},])""",
    re.VERBOSE,
)


@dataclass
class Selector:
    """A series by name; ``matchers`` are (label, value) pairs, ``function`` is what it is read by."""

    name: str
    function: str
    matchers: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Expression:
    selectors: list[Selector] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    groups: list[set[str]] = field(default_factory=list)

    @property
    def aggregated(self) -> bool:
        return bool(self.functions & AGGREGATES)


def read(text: str) -> Expression:
    """Raises ValueError at a character that is not PromQL, or where brackets don't match."""
    tokens = _tokens(text)
    found, calls = Expression(), [""]
    while tokens:
        token = tokens.pop(0)
        after = tokens[0] if tokens else ""
        if token == "(":
            calls.append(calls[-1])
        elif token == ")":
            calls.pop()
        elif token in _CLAUSES:
            found.groups.append(set(_inside(tokens, ")")) - {",", "("})
        elif not re.match(r"[a-zA-Z_:]", token) or token in _WORDS:
            continue
        elif after == "(":
            found.functions.add(token)
            tokens.pop(0)
            calls.append(token)
        elif after in _CLAUSES:
            found.functions.add(token)
        else:
            found.selectors.append(Selector(token, calls[-1], _matchers(tokens)))
    if calls != [""]:
        raise ValueError(f"brackets do not match: {text}")
    return found


def _tokens(text: str) -> list[str]:
    left = _TOKEN.sub("", text).strip()
    if left:
        raise ValueError(f"not PromQL: {left!r} in {text}")
    return [match[0] for match in _TOKEN.finditer(text)]


def _inside(tokens: list[str], end: str) -> list[str]:
    place = tokens.index(end)
    taken = tokens[:place]
    del tokens[: place + 1]
    return taken


def _matchers(tokens: list[str]) -> list[tuple[str, str]]:
    if not tokens or tokens[0] != "{":
        return []
    inside = [token for token in _inside(tokens, "}")[1:] if token != ","]
    triples = zip(inside[::3], inside[2::3], strict=True)
    return [(label, value) for label, quoted in triples for value in quoted.strip('"').split("|")]
