"""A bundle is whole or not there, and as it was written or refused."""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.errors import BundleError
from streamer.registry import bundles, disk
from streamer.registry.bundles import CARD, MANIFEST, TENSORS

TENSOR = {"weight": np.arange(12, dtype=np.float32).reshape(3, 4)}
ABOUT = {"encoder": "e1", "metrics": {"auc": 0.9}}


def write(store: Path, name: str = "glad", **about: Any) -> Path:
    return bundles.write(store, name, "sentiment", TENSOR, {**ABOUT, **about}, "# Glad\n")


def edit(folder: Path, **fields: Any) -> None:
    """Changes the manifest as someone who seals it again."""
    path = folder / MANIFEST
    path.write_text(bundles.sealed({**json.loads(path.read_text()), **fields}))


def test_a_bundle_says_what_it_is_who_made_it_and_when(tmp_path: Path) -> None:
    folder = write(tmp_path)
    found = bundles.read(tmp_path, "glad")
    assert (found.name, found.kind, found.encoder, found.slot) == (
        "glad",
        "sentiment",
        "e1",
        "sentiment/e1",
    )
    np.testing.assert_array_equal(found.tensors["weight"], TENSOR["weight"])
    assert found.manifest["metrics"] == {"auc": 0.9}
    assert found.manifest["made_by"] == bundles.who()
    assert found.manifest["code_version"].startswith("0.")
    assert found.made_at.endswith("Z")
    assert {p.name for p in folder.iterdir()} == {MANIFEST, TENSORS, CARD}
    assert (folder / CARD).read_text() == "# Glad\n"


def test_further_files_are_kept_and_sealed_like_the_rest(tmp_path: Path) -> None:
    more = {"learning.png": b"a picture"}
    bundles.write(tmp_path, "glad", "sentiment", TENSOR, ABOUT, "# Glad\n", more)
    assert bundles.read(tmp_path, "glad").files["learning.png"] == b"a picture"
    (tmp_path / "glad" / "learning.png").write_bytes(b"another picture")
    with pytest.raises(BundleError, match=r"learning\.png does not match its hash"):
        bundles.read(tmp_path, "glad")


def test_anyone_can_check_the_seal(tmp_path: Path) -> None:
    text = (write(tmp_path) / MANIFEST).read_text()
    seal = json.loads(text)["seal"]
    assert sha256(text.replace(seal, "0" * 64).encode()).hexdigest() == seal


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_bundle_with_one_changed_byte_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "glad"
    if not folder.exists():
        write(tmp_path)
    file = folder / data.draw(st.sampled_from([MANIFEST, TENSORS, CARD]))
    content = file.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    file.write_bytes(changed)
    try:
        with pytest.raises(BundleError, match=r"bundle glad (is damaged|has schema)"):
            bundles.read(tmp_path, "glad")
    finally:
        file.write_bytes(content)
    bundles.read(tmp_path, "glad")


@pytest.mark.parametrize("part", [MANIFEST, TENSORS, CARD])
def test_a_bundle_with_a_part_missing_is_refused(tmp_path: Path, part: str) -> None:
    (write(tmp_path) / part).unlink()
    with pytest.raises(BundleError, match=f"can't be read: .*{part}"):
        bundles.read(tmp_path, "glad")


def test_a_bundle_with_a_part_too_many_is_refused(tmp_path: Path) -> None:
    (write(tmp_path) / "code.py").write_text("import os")
    with pytest.raises(BundleError, match=r"code\.py is not in its manifest"):
        bundles.read(tmp_path, "glad")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', '{"schema": 2}', "\udce4"])
def test_a_manifest_that_is_not_one_is_refused(tmp_path: Path, text: str) -> None:
    (write(tmp_path) / MANIFEST).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BundleError, match="bundle glad"):
        bundles.read(tmp_path, "glad")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"schema": 3}, "schema 3, this streamer reads 2"), ({"kind": "taste"}, "is a taste")],
)
def test_a_bundle_of_another_form_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    edit(write(tmp_path), **changes)
    with pytest.raises(BundleError, match=reason):
        bundles.read(tmp_path, "glad")


def test_a_bundle_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(BundleError, match="never overwritten"):
        write(tmp_path, metrics={})
    assert bundles.read(tmp_path, "glad").manifest["metrics"] == {"auc": 0.9}


@pytest.mark.parametrize("name", ["", "..", "../glad", "a/b", ".new-x", "a b"])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    for act in (lambda: write(tmp_path, name), lambda: bundles.read(tmp_path, name)):
        with pytest.raises(BundleError, match="is no name of a bundle"):
            act()


class Died(BaseException):
    """The writer is gone at this point."""


@pytest.mark.parametrize(("call", "at"), [("fsync", 1), ("fsync", 2), ("fsync", 3), ("rename", 1)])
def test_a_writer_that_dies_leaves_nothing_that_looks_like_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    calls, real = 0, getattr(os, call)

    def dying(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Died
        return real(*arguments)

    monkeypatch.setattr(disk.shutil, "rmtree", lambda *_, **__: None)
    monkeypatch.setattr(disk.os, call, dying)
    with pytest.raises(Died):
        write(tmp_path)
    monkeypatch.undo()
    assert bundles.names(tmp_path) == []
    assert list(bundles.sound(tmp_path, "sentiment")) == []
    assert len(list(bundles.leftovers(tmp_path))) == 1
    assert bundles.read(tmp_path, write(tmp_path).name)


def test_a_store_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BundleError, match="can't be written"):
        write(blocked / "store")


def test_damaged_bundles_are_left_out_where_any_sound_one_would_do(tmp_path: Path) -> None:
    write(tmp_path, "one")
    (write(tmp_path, "two") / CARD).write_text("changed")
    assert [b.name for b in bundles.sound(tmp_path, "sentiment")] == ["one"]
    assert list(bundles.sound(tmp_path, "launch")) == []
    assert bundles.names(tmp_path) == ["one", "two"]


def test_a_name_that_a_bundle_has_is_not_given_again(tmp_path: Path) -> None:
    assert bundles.unused(tmp_path, "one") == "one"
    write(tmp_path, "one")
    assert bundles.unused(tmp_path, "one") == "one-2"
    write(tmp_path, "one-2")
    assert bundles.unused(tmp_path, "one") == "one-3"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": 5}, "Expected `str`, got `int`"),
        ({"sha256": None}, "Expected `object`, got `null`"),
        ({"sha256": [1]}, "Expected `object`, got `array`"),
        ({"sha256": {}}, "README.md is not in its manifest.json"),
        ({"metrics": 5}, "Expected `object`, got `int`"),
        ({"success": "x"}, "Expected `object`, got `str`"),
        ({"incumbent": [1]}, "Expected `object | null`, got `array`"),
        ({"made_at": 5}, "Expected `str`, got `int`"),
        ({"encoder": ""}, "names no encoder"),
    ],
)
def test_a_manifest_of_another_form_is_refused_though_it_is_sealed(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    """One of them must not keep anyone from the others."""
    edit(write(tmp_path), **fields)
    write(tmp_path, "sound")
    with pytest.raises(BundleError, match=re.escape(reason)):
        bundles.read(tmp_path, "glad")
    assert [found.name for found in bundles.sound(tmp_path, "sentiment")] == ["sound"]
