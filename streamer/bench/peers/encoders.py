"""Peers of the encoder benchmark as a user would write them, each with the same weights and texts.

usage: python -m streamer.bench.peers.encoders NAME FOLDER TEXTS OUT THREADS
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.bench.peers.turns import take_turns

BATCH_TEXTS = 32
Vectors = NDArray[np.float32]
Encode = Callable[[], Vectors]


def sentence_transformers(folder: Path, texts: list[str], threads: int, **options: Any) -> Encode:
    """`encode` as it comes: it sorts by length and pads batches of 32."""
    model = _model(folder, threads, **options)
    return lambda: _vectors(model.encode(texts, batch_size=BATCH_TEXTS))


def arrival_order(folder: Path, texts: list[str], threads: int) -> Encode:
    """Batches of 32 as they arrive, padded to the longest."""
    model = _model(folder, threads)
    starts = range(0, len(texts), BATCH_TEXTS)
    return lambda: np.concatenate(
        [_vectors(model.encode(texts[start : start + BATCH_TEXTS])) for start in starts]
    )


def onnxruntime(folder: Path, texts: list[str], threads: int, int8: bool) -> Encode:
    """The graph as torch exports it, optimised by onnxruntime; batches of 32 in order of length."""
    import onnxruntime as ort
    from tokenizers import Tokenizer

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    file = str(_quantised(_exported(folder)) if int8 else _exported(folder))
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(_max_tokens(folder))
    tokenizer.enable_padding(pad_id=_config(folder).get("pad_token_id") or 0)

    def encode() -> Vectors:
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        found: list[Vectors] = []
        for start in range(0, len(texts), BATCH_TEXTS):
            some = tokenizer.encode_batch(
                [texts[place] for place in order[start : start + BATCH_TEXTS]]
            )
            ids = np.array([each.ids for each in some], np.int64)
            mask = np.array([each.attention_mask for each in some], np.int64)
            (states,) = session.run(None, {"ids": ids, "mask": mask})
            shown = mask[:, :, None].astype(np.float32)
            found.append((states * shown).sum(1) / shown.sum(1))
        vectors = np.empty((len(texts), found[0].shape[1]), np.float32)
        vectors[order] = np.concatenate(found)
        return vectors

    return encode


def _model(folder: Path, threads: int, **options: Any) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = SentenceTransformer(str(folder), device=device, model_kwargs=options)
    model.max_seq_length = _max_tokens(folder)
    return model


def _exported(folder: Path) -> Path:
    import torch
    from transformers import AutoModel

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            load: Any = AutoModel.from_pretrained
            self.bert = load(str(folder), add_pooling_layer=False, attn_implementation="eager")

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
            return self.bert(input_ids=ids, attention_mask=mask).last_hidden_state

    file = folder / "model.onnx"
    if not file.exists():
        example = (torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64))
        axes = {name: {0: "texts", 1: "tokens"} for name in ("ids", "mask", "states")}
        torch.onnx.export(
            States().eval(),
            example,
            str(file),
            input_names=["ids", "mask"],
            output_names=["states"],
            dynamic_axes=axes,
            dynamo=False,
        )
    return file


def _quantised(file: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = file.with_name("model-int8.onnx")
    quantize_dynamic(str(file), str(target), weight_type=QuantType.QInt8, per_channel=True)
    return target


def _config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


def _max_tokens(folder: Path) -> int:
    return int(json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"])


def _vectors(found: Any) -> Vectors:
    return np.asarray(found, np.float32)


PEERS: dict[str, Callable[[Path, list[str], int], Encode]] = {
    "sentence_transformers": sentence_transformers,
    "sentence_transformers_bf16": lambda f, t, n: sentence_transformers(f, t, n, dtype="bfloat16"),
    "arrival_order": arrival_order,
    "onnxruntime": lambda f, t, n: onnxruntime(f, t, n, int8=False),
    "onnxruntime_int8": lambda f, t, n: onnxruntime(f, t, n, int8=True),
}


def main(name: str, folder: str, texts: str, out: str, threads: str) -> None:
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    encode = PEERS[name](Path(folder), json.loads(Path(texts).read_text()), int(threads))
    take_turns(encode, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
