"""A BERT of random numbers, small enough to run in milliseconds, on disk like a real one."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from streamer.encoding.weights import Weights, read

WIDTH, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 4, 64, 64
WORDS = ("good", "bad", "dress", "love", "hate", "it", "the", "好", "坏", "fit", "soft", "thin")


def small_bert(folder: Path, seed: int = 0) -> Weights:
    """Its weights, written to ``folder``."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    vocab = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocab, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, special)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": len(vocab),
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(_tensors(len(vocab)), str(folder / "model.safetensors"))
    return read("small", folder)


def _tensors(words: int) -> dict[str, torch.Tensor]:
    found = {
        "embeddings.word_embeddings.weight": torch.randn(words, WIDTH),
        "embeddings.position_embeddings.weight": torch.randn(POSITIONS, WIDTH) / 10,
        "embeddings.token_type_embeddings.weight": torch.randn(2, WIDTH) / 10,
        "embeddings.LayerNorm.weight": torch.ones(WIDTH),
        "embeddings.LayerNorm.bias": torch.zeros(WIDTH),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for name, rows, width in (
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ):
            found[f"{at}{name}.weight"] = torch.randn(rows, width) / width**0.5
            found[f"{at}{name}.bias"] = torch.randn(rows) / 10
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found[f"{at}{name}.weight"] = torch.ones(WIDTH)
            found[f"{at}{name}.bias"] = torch.zeros(WIDTH)
    return found
