"""A bundle: a folder of named tensors, a manifest and a model card, written once and never changed.

The manifest holds the SHA-256 of every other file, and of itself: ``seal`` is the hash of its text
with 64 zeros in the seal's place. So one changed byte anywhere is found, and told.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from streamer import __version__
from streamer.errors import BundleError
from streamer.registry import disk

SCHEMA = 2
MANIFEST, TENSORS, CARD = "manifest.json", "tensors.safetensors", "README.md"
CURVE = "learning.png"
"""The learning curve, where a bundle has one."""
TOLD_NAMES = 10
"""How many bundles are named to whoever asks for one that there is not."""
KINDS = ("launch", "sentiment")
Kind = Literal["launch", "sentiment"]
Tensors = Mapping[str, NDArray[np.generic]]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_UNSEALED = "0" * 64
_PACKAGE = Path(__file__).parents[1]


class Form(Struct):
    """What a manifest must look like for the store to read it; it holds more."""

    kind: str
    sha256: dict[str, str]
    encoder: str = ""
    encoder_fingerprint: str | None = None
    made_at: str = ""
    metrics: dict[str, Any] = {}
    success: dict[str, Any] = {}
    incumbent: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A bundle as it was read: sound, every hash verified. ``files`` are all of it, as bytes."""

    name: str
    manifest: dict[str, Any]
    tensors: Tensors
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        kind: Kind = self.manifest["kind"]
        return kind

    @property
    def made_at(self) -> str:
        """When it was made, UTC, in an order that sorts."""
        return str(self.manifest.get("made_at", ""))

    @property
    def encoder(self) -> str:
        """The fingerprint of the encoder that it goes with."""
        return str(self.manifest.get("encoder_fingerprint") or self.manifest["encoder"])

    @property
    def slot(self) -> str:
        """What it can be in use for: there is one predictor, and a sentiment for each encoder."""
        return slot(self.kind, self.encoder)


def slot(kind: Kind, encoder: str) -> str:
    return kind if kind == "launch" else f"{kind}/{encoder}"


def write(
    store: Path,
    name: str,
    kind: Kind,
    tensors: Tensors,
    manifest: Mapping[str, Any],
    card: str,
    more: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes a new bundle and returns its folder; until it is whole, nothing of it has that name.
    ``more`` are further files: tensors in a form of their own (safetensors), pictures.

    ``manifest`` gives what is known of it: ``encoder`` (a fingerprint), ``metrics``,
    ``data_fingerprint`` of what it learnt from, ``test_fingerprint`` of what it was measured on, ….
    Raises BundleError if the name is taken or the store can't be written.
    """
    files = {TENSORS: write_tensors(_laid_out(tensors)), CARD: card.encode(), **(more or {})}
    whole = {
        "schema": SCHEMA,
        "kind": kind,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "made_by": who(),
        "code_version": code_version(),
        **manifest,
        "sha256": {name: sha256(content).hexdigest() for name, content in files.items()},
    }
    return place(store, name, {**files, MANIFEST: sealed(whole).encode()})


def place(store: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """Puts a folder of these files into the store, all at once. Raises BundleError."""
    folder = _folder(store, name)
    if folder.exists():
        raise BundleError(f"bundle {name} exists; bundles are never overwritten")
    try:
        store.mkdir(parents=True, exist_ok=True)
        disk.place(folder, files)
    except OSError as error:
        raise BundleError(f"bundle {name} can't be written to {store}: {error.strerror}") from None
    return folder


def read(store: Path, name: str) -> Stored:
    """A bundle by name, every hash verified. Raises BundleError, which says what is wrong."""
    content = files_of(store, name)
    manifest = _manifest(name, content)
    try:
        tensors = read_tensors(content[TENSORS])
    except SafetensorError as error:
        raise BundleError(f"bundle {name} is damaged: {TENSORS}: {error}") from None
    return Stored(name, manifest, tensors, content)


def files_of(store: Path, name: str) -> dict[str, bytes]:
    """The bytes of every file of a bundle. Raises BundleError."""
    folder = _folder(store, name)
    try:
        return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}
    except FileNotFoundError:
        raise BundleError(f"there is no bundle {name} in {store}; {_there(store)}") from None
    except OSError as error:
        raise BundleError(f"bundle {name} can't be read: {error.strerror or error}") from None


def _there(store: Path) -> str:
    """Which bundles there are, in words; of many, the last."""
    found = names(store)
    more = f" and {len(found) - TOLD_NAMES:,} more" if len(found) > TOLD_NAMES else ""
    return f"there are: {', '.join(found[-TOLD_NAMES:]) or 'none'}{more}"


def names(store: Path) -> list[str]:
    """All bundles, sound or not, by name."""
    if not store.is_dir():
        return []
    return sorted(
        p.parent.name for p in store.glob(f"*/{MANIFEST}") if _NAME.fullmatch(p.parent.name)
    )


def unused(store: Path, name: str) -> str:
    """The name; with a number behind it where a bundle has it."""
    tried = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(one for one in tried if not _folder(store, one).exists())


def sound(store: Path, kind: Kind) -> Iterator[Stored]:
    """The bundles of a kind that can be used; damaged ones are left out."""
    for name in names(store):
        try:
            found = read(store, name)
        except BundleError:
            continue
        if found.kind == kind:
            yield found


def leftovers(store: Path) -> Iterator[Path]:
    """What writers that were killed have left half-written; no reader takes it for a bundle."""
    yield from sorted(store.glob(f"{disk.HALF_WRITTEN}*"))


def sealed(manifest: Mapping[str, Any]) -> str:
    """A manifest as text, with its seal."""
    text = json.dumps({**manifest, "seal": _UNSEALED}, indent=2, sort_keys=True) + "\n"
    return text.replace(_UNSEALED, sha256(text.encode()).hexdigest())


def who() -> str:
    """Who does this, as a history tells it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _laid_out(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors laid out as they are stored: of a view, what it shows."""
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


@cache
def code_version() -> str:
    """The version of this package and a hash of its code."""
    digest = sha256()
    for file in sorted([*_PACKAGE.rglob("*.py"), *_PACKAGE.rglob("*.lua")]):
        digest.update(file.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:12]}"


def _folder(store: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise BundleError(f"{name!r} is no name of a bundle: letters, digits, dots, - and _")
    return store / name


def _manifest(name: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest, once it and all it lists are as they were written."""
    if MANIFEST not in files:
        raise BundleError(f"bundle {name} can't be read: it has no {MANIFEST}")
    try:
        text = files[MANIFEST].decode()
        manifest: dict[str, Any] = dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise BundleError(f"bundle {name} is damaged: {MANIFEST}: {error}") from None
    schema, seal = manifest.get("schema"), str(manifest.get("seal"))
    if schema != SCHEMA:
        raise BundleError(f"bundle {name} has schema {schema}, this streamer reads {SCHEMA}")
    if sha256(text.replace(seal, _UNSEALED).encode()).hexdigest() != seal:
        raise BundleError(f"bundle {name} is damaged: {MANIFEST} does not match its seal")
    form = _form(name, manifest)
    _check(name, files, form.sha256)
    if form.kind not in KINDS:
        raise BundleError(f"bundle {name} is a {form.kind}, unknown to this streamer")
    return manifest


def _form(name: str, manifest: Mapping[str, Any]) -> Form:
    try:
        form = msgspec.convert(manifest, Form)
    except msgspec.ValidationError as error:
        raise BundleError(f"bundle {name} can't be read: {MANIFEST}: {error}") from None
    if not (form.encoder or form.encoder_fingerprint):
        raise BundleError(f"bundle {name} can't be read: {MANIFEST} names no encoder")
    return form


def _check(name: str, files: Mapping[str, bytes], hashes: Mapping[str, str]) -> None:
    for file in sorted({TENSORS, CARD, *hashes, *files} - {MANIFEST}):
        if file not in files:
            raise BundleError(f"bundle {name} can't be read: {file} is missing")
        if file not in hashes:
            raise BundleError(f"bundle {name} is damaged: {file} is not in its {MANIFEST}")
        if sha256(files[file]).hexdigest() != hashes[file]:
            raise BundleError(f"bundle {name} is damaged: {file} does not match its hash")
