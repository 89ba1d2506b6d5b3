"""Who encodes the same texts, and the files that they share."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bench.peers import FOLDER, has_infinity
from streamer.bench.turns import TurnTaker
from streamer.encoding.projection import normalised
from streamer.encoding.weights import TOKENIZER, Weights
from streamer.settings import Settings

OURS, TRUTH = "streamer", "sentence_transformers"
PEERS = (
    TRUTH,
    "sentence_transformers_bf16",
    "arrival_order",
    "onnxruntime",
    "onnxruntime_int8",
)
INFINITY = "infinity"

Say = Callable[[str], None]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    """The files that the contestants share."""

    folder: Path
    weights: Weights
    settings: Settings
    threads: int

    def prepare(self, texts: list[str]) -> None:
        """Ours puts the encoder's prefix before a text itself; peers get it with the text."""
        prefixed = [self.weights.prefix + text for text in texts]
        self.ours.write_text(json.dumps(texts))
        self.theirs.write_text(json.dumps(prefixed))
        shutil.copytree(self.weights.folder, self.model)
        _write(self.model / "sentence_bert_config.json", max_seq_length=self.weights.max_tokens)
        if not (self.model / "tokenizer_config.json").exists():
            pad = json.loads((self.model / TOKENIZER).read_text())["model"]["vocab"]
            token = pad[self.weights.config["pad_token_id"]][0]
            kind = "PreTrainedTokenizerFast"
            more = {"model_max_length": self.weights.max_tokens, "pad_token": token}
            _write(self.model / "tokenizer_config.json", tokenizer_class=kind, **more)

    @property
    def ours(self) -> Path:
        return self.folder / "texts.json"

    @property
    def theirs(self) -> Path:
        return self.folder / "prefixed.json"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def out(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def vectors(self, name: str) -> Vectors:
        found: Vectors = np.load(self.out(name))
        return normalised(found)

    def environment(self) -> dict[str, str]:
        return {
            "STREAMER_ENCODER": self.settings.encoder,
            "STREAMER_ENCODER_BACKEND": self.settings.encoder_backend,
            "STREAMER_CACHE": str(self.settings.cache),
            "OMP_NUM_THREADS": str(self.threads),
        }


def _write(file: Path, **content: Any) -> None:
    file.write_text(json.dumps(content))


def contestants(
    place: Place, infinity: Path | None, only: frozenset[str], say: Say
) -> Iterator[TurnTaker]:
    """Ours and those of the peers that are asked for; all, unless ``only`` names some."""
    module = "streamer.bench.peers"
    ours = [sys.executable, "-m", f"{module}.ours", str(place.ours), str(place.out(OURS))]
    yield TurnTaker(OURS, ours, place.environment(), place.folder)
    shared = [str(place.model), str(place.theirs)]
    for name in PEERS:
        if name == TRUTH or not only or name in only:
            end = [*shared, str(place.out(name)), str(place.threads)]
            command = [sys.executable, "-m", f"{module}.encoders", name, *end]
            yield TurnTaker(name, command, place.environment(), place.folder)
    if only and INFINITY not in only:
        return
    if infinity and has_infinity(infinity):
        end = [*shared, str(place.out(INFINITY)), str(place.threads)]
        command = [str(infinity), str(FOLDER / "infinity.py"), *end]
        yield TurnTaker(INFINITY, command, place.environment(), place.folder)
    else:
        say(f"{INFINITY}: left out, name a Python with infinity-emb[torch] with --infinity")
