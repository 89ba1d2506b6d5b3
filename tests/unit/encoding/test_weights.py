"""An encoder of one's own: read as it is meant, or refused in one line that names what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from streamer.encoding.encoder import Encoder
from streamer.encoding.weights import TENSORS, TOKENIZER, WORDS, resolve
from streamer.errors import ConfigurationError
from streamer.settings import Settings
from tests.support.bert import POSITIONS, small_bert


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_bert(tmp_path / "mine").folder


def opened(folder: Path) -> Encoder:
    store = folder.parent / "store"
    return Encoder.open(
        Settings(encoder=str(folder), encoder_backend="torch-cpu-fp32", model_store=store)
    )


@pytest.mark.parametrize("file", ["config.json", "encoder.json", TENSORS, TOKENIZER])
@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b'{"half": '])
def test_a_damaged_file_is_named(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"{file} can't be read"):
        opened(folder)


@pytest.mark.parametrize("name", ["model_type", "num_hidden_layers", "hidden_size"])
def test_a_configuration_that_lacks_something_is_refused(folder: Path, name: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config[name]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigurationError):
        opened(folder)


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("config.json", "hidden_size", 48),
        ("config.json", "hidden_size", "32"),
        ("config.json", "hidden_size", None),
        ("config.json", "num_hidden_layers", 0),
        ("config.json", "num_attention_heads", 5),
        ("config.json", "layer_norm_eps", "small"),
        ("config.json", "max_position_embeddings", 2 * POSITIONS),
        ("config.json", "pad_token_id", -1),
        ("config.json", "hidden_act", ["gelu"]),
        ("sentence_bert_config.json", "max_seq_length", "long"),
        ("sentence_bert_config.json", "max_seq_length", True),
        ("sentence_bert_config.json", "max_seq_length", 2),
        ("encoder.json", "max_tokens", -1),
        ("encoder.json", "prefix", 3),
        ("encoder.json", "languages", 3),
    ],
)
def test_a_value_that_can_not_be_is_named(
    folder: Path, file: str, name: str, value: object
) -> None:
    path = folder / file
    said = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**said, name: value}))
    with pytest.raises(ConfigurationError, match=name) as refused:
        opened(folder)
    assert str(folder) in str(refused.value) or file in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [WORDS, "encoder.layer.1.output.dense.bias"])
def test_a_tensor_that_is_not_there_is_named(folder: Path, name: str) -> None:
    tensors = load_file(folder / TENSORS)
    del tensors[name]
    save_file(tensors, folder / TENSORS)
    with pytest.raises(ConfigurationError, match=name):
        opened(folder)


@pytest.mark.parametrize(
    "name", ["", "~nobody-here/mine", "x" * 300, "a\0b", "no such", "config.json"]
)
def test_a_name_of_nothing_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigurationError):
        resolve(name, tmp_path)


def test_who_has_no_home_is_told_to_set_a_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("STREAMER_CACHE", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(ConfigurationError, match=r"STREAMER_CACHE is ~/\.cache/streamer: .* HOME"):
        opened(folder)


def test_no_text_is_longer_than_the_table_of_positions(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 4096}))
    model = opened(folder).description
    (tokens,) = model.tokenizer.tokenize(["soft dress " * POSITIONS])
    assert tokens is not None
    assert len(tokens) == POSITIONS
    assert np.isfinite(model.embed([tokens])).all()
