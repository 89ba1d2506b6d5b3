"""ACTIVE: which bundles are in use, and the history of how that came to be.

Both are one file, a line of JSON for each change, the newest last, replaced as a whole by a rename:
so they cannot disagree, and a reader sees all of a change or nothing of it. A promotion puts a
bundle on top of those that were in use before it; going back takes the top one off, so it can be
done again and again. A line that is nothing but a name is a promotion of that predictor by hand.

Changes are made under a lock on the file ``.lock`` (flock, which the kernel lets go of when its
holder dies, and which NFSv4 carries to all clients).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct, field

from streamer.errors import BundleError
from streamer.registry import disk

T = TypeVar("T")

ACTIVE = "ACTIVE"
LOCK_SECONDS = 10.0
"""How long a change waits for another one to end: it takes milliseconds."""
_PAUSE_SECONDS = 0.05


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``to`` came into use for ``slot`` in the place of ``before``; ``overruled`` are the reasons
    against it that ``--force`` overruled, ``behind`` how much worse it was then than the best on its
    line of descent (see gate.py)."""

    to: str
    slot: str = "launch"
    action: Literal["promote", "rollback"] = "promote"
    before: str | None = field(default=None, name="from")
    at: str = ""
    by: str = ""
    why: str = ""
    overruled: tuple[str, ...] = ()
    behind: float = 0.0


def history(store: Path) -> list[Change]:
    """All changes, the oldest first. Raises BundleError."""
    try:
        lines = (store / ACTIVE).read_text().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{store / ACTIVE} can't be read: {error}") from None
    return [_change(store, line.strip()) for line in lines if line.strip()]


def current(store: Path, slot: str) -> str | None:
    """The bundle in use for a slot. Raises BundleError."""
    return next(iter(line_of_descent(history(store), slot)), None)


def in_use(store: Path) -> dict[str, str]:
    """The bundle in use for each slot that ever had one. Raises BundleError."""
    changes = history(store)
    return {
        slot: line_of_descent(changes, slot)[0] for slot in dict.fromkeys(c.slot for c in changes)
    }


def line_of_descent(changes: list[Change], slot: str) -> list[str]:
    """The bundle in use for a slot, the one to go back to from it, and so on."""
    return [change.to for change in _standing(changes, slot)]


def opened_before(store: Path, slot: str, opened: Callable[[str], T]) -> tuple[str, T] | None:
    """Of the bundles that were in use before the one in use for a slot, the latest that can be
    ``opened``, and its name; None where there is none."""
    for name in line_of_descent(history(store), slot)[1:]:
        with suppress(BundleError):
            return name, opened(name)
    return None


def behind(changes: list[Change], slot: str, name: str) -> float:
    """How much worse a bundle on the line of descent is than the best that led to it; 0.0 for any
    other."""
    return next((c.behind for c in _standing(changes, slot) if c.to == name), 0.0)


def _standing(changes: list[Change], slot: str) -> list[Change]:
    """The promotions for a slot that were not undone, the latest first."""
    stack: list[Change] = []
    for change in changes:
        if change.slot != slot:
            continue
        if change.action == "rollback":
            del stack[-1:]
        else:
            stack.append(change)
    return stack[::-1]


def append(store: Path, change: Change) -> None:
    """Makes a change, atomically. The caller holds the lock. Raises BundleError."""
    lines = [*history(store), change]
    content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    try:
        disk.replace(store / ACTIVE, content)
    except OSError as error:
        raise BundleError(f"{store} can't be written: {error.strerror}") from None


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Nobody else changes the store meanwhile. Raises BundleError."""
    try:
        handle = os.open(store / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise BundleError(f"{store} can't be written: {error.strerror}") from None
    try:
        _lock(handle, store)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, store: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BundleError(
                    f"{store} is being changed by someone else; try again in a moment"
                ) from None
            time.sleep(_PAUSE_SECONDS)


def _change(store: Path, line: str) -> Change:
    if line[0] != "{":
        return Change(to=line)
    try:
        return msgspec.json.decode(line, type=Change)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BundleError(f"{store / ACTIVE} is damaged: {error}") from None
