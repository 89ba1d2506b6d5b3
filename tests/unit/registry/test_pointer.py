"""ACTIVE: one file that says what is in use and how it came to be."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import BundleError
from streamer.registry import disk, pointer
from streamer.registry.pointer import ACTIVE, Change


def put(store: Path, *names: str) -> None:
    for name in names:
        with pointer.locked(store):
            pointer.append(store, Change(to=name, by="ann", at="2026-01-01T00:00:00Z", why="why"))


def test_nothing_is_in_use_to_begin_with(tmp_path: Path) -> None:
    assert pointer.history(tmp_path) == []
    assert pointer.current(tmp_path, "launch") is None


def test_the_history_tells_who_when_from_to_and_why(tmp_path: Path) -> None:
    change = Change(
        to="b", before="a", by="ann", at="2026-01-01T00:00:00Z", why="better", overruled=("worse",)
    )
    with pointer.locked(tmp_path):
        pointer.append(tmp_path, change)
    assert pointer.history(tmp_path) == [change]
    assert '"from":"a"' in (tmp_path / ACTIVE).read_text()


def test_a_name_written_by_hand_is_in_use(tmp_path: Path) -> None:
    (tmp_path / ACTIVE).write_text("launch-1\n")
    assert pointer.current(tmp_path, "launch") == "launch-1"
    put(tmp_path, "launch-2")
    assert pointer.current(tmp_path, "launch") == "launch-2"
    assert [change.to for change in pointer.history(tmp_path)] == ["launch-1", "launch-2"]


def test_each_slot_has_its_own(tmp_path: Path) -> None:
    put(tmp_path, "a")
    with pointer.locked(tmp_path):
        pointer.append(tmp_path, Change(to="s", slot="sentiment/e"))
    assert pointer.current(tmp_path, "launch") == "a"
    assert pointer.current(tmp_path, "sentiment/e") == "s"
    assert pointer.current(tmp_path, "sentiment/f") is None


@pytest.mark.parametrize("text", ['{"to": 3}\n', '{"to"', "a\n{}\n", "\udcff"])
def test_a_damaged_pointer_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / ACTIVE).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BundleError, match=r"ACTIVE (is damaged|can't be read)"):
        pointer.current(tmp_path, "launch")


@given(st.lists(st.sampled_from(["a", "b", "c", None])))
def test_going_back_undoes_promotions_one_by_one(steps: list[str | None]) -> None:
    """Against a stack, which is what it is."""
    stack: list[str] = []
    changes: list[Change] = []
    for name in steps:
        if name is not None:
            stack.append(name)
            changes.append(Change(to=name))
        elif len(stack) > 1:
            stack.pop()
            changes.append(Change(to=stack[-1], action="rollback"))
    assert pointer.line_of_descent(changes, "launch") == stack[::-1]
    if changes:
        assert changes[-1].to == stack[-1]


def test_a_change_that_dies_half_way_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def dying(*_: Any) -> None:
        raise Died

    put(tmp_path, "a")
    for call in ("write_through", "sync"):
        monkeypatch.setattr(disk, call, dying)
        with pytest.raises(Died):
            put(tmp_path, "b")
        monkeypatch.undo()
        assert pointer.current(tmp_path, "launch") == ("a" if call == "write_through" else "b")
        put(tmp_path, "a")


def _promote_many(store: str, name: str, times: int) -> None:
    for _ in range(times):
        put(Path(store), name)


def test_changes_at_once_come_one_after_the_other(tmp_path: Path) -> None:
    times, names = 30, ("a", "b", "c")
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_promote_many, args=(str(tmp_path), name, times)) for name in names
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        pointer.history(tmp_path)  # a reader never sees half a change
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = [change.to for change in pointer.history(tmp_path)]
    assert sorted(found) == sorted(names * times)


def test_who_waits_too_long_for_another_change_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointer, "LOCK_SECONDS", 0.1)
    with (
        pointer.locked(tmp_path),
        pytest.raises(BundleError, match="being changed by someone else"),
        pointer.locked(tmp_path),
    ):
        pass


def test_a_killed_writer_holds_nobody_up(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with pointer.locked(tmp_path):
            os._exit(0)
    os.waitpid(child, 0)
    put(tmp_path, "a")
    assert pointer.current(tmp_path, "launch") == "a"
