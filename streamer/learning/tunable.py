"""An encoder that learns: a transformers BERT, what of it learns, and a linear head on its mean."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from streamer.encoding import adapter
from streamer.encoding.backends import Backend
from streamer.encoding.backends.torch_flat import load_tensors
from streamer.encoding.recipe import matching
from streamer.encoding.weights import Weights
from streamer.errors import DependencyMissing
from streamer.learning.device import device

DROPOUT = 0.1
_TABLE = "embeddings."
_IMPORTANCE = ("ipt", "exp_avg_ipt", "exp_avg_unc")
"""What AdaLoRA's allocator of ranks keeps from step to step."""


class Method(StrEnum):
    """How much of the encoder learns."""

    FROZEN = "frozen"
    LORA = "lora"
    ADALORA = "adalora"
    FULL = "full"


class Tunable(nn.Module):
    """``forward`` gives logits [texts]. The table of words never learns: a review model shares it
    with the encoder."""

    def __init__(self, weights: Weights, method: Method, rank: int, steps: int) -> None:
        super().__init__()
        self.weights, self.method = weights, method
        self.base = load_tensors(weights)
        self.bert = _adapted(_bert(weights, self.base), method, rank, steps)
        self.head = nn.Linear(weights.dimensions, 1)
        self.dropout = nn.Dropout(DROPOUT)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        shown = mask[:, :, None].to(states.dtype)
        mean = (states * shown).sum(1) / shown.sum(1)
        logits: Tensor = self.head(self.dropout(mean))[:, 0]
        return logits.float()

    def learns(self) -> dict[str, nn.Parameter]:
        """What learns, by name."""
        return {name: each for name, each in self.named_parameters() if each.requires_grad}

    def after_step(self, step: int) -> None:
        """Called when the optimizer has moved, before gradients go: AdaLoRA shares out its ranks
        by them."""
        if self.method is Method.ADALORA:
            self.bert.base_model.update_and_allocate(step)

    def ranks(self) -> dict[str, Any]:
        """What AdaLoRA shares out its ranks by, and how it has; empty of other methods."""
        if self.method is not Method.ADALORA:
            return {}
        of = self.bert.base_model
        known = {name: getattr(of.rankallocator, name) for name in _IMPORTANCE}
        return {**known, "rank_pattern": of.peft_config["default"].rank_pattern}

    def set_ranks(self, ranks: Mapping[str, Any]) -> None:
        """Goes on from what `ranks` gave; after the parameters were set."""
        if self.method is not Method.ADALORA:
            return
        of = self.bert.base_model
        for name in _IMPORTANCE:
            found = {key: tensor.to(device()) for key, tensor in ranks[name].items()}
            setattr(of.rankallocator, name, found)
        of.peft_config["default"].rank_pattern = ranks["rank_pattern"]

    def extra_loss(self) -> Tensor | float:
        """AdaLoRA wants its factors orthogonal."""
        if self.method is not Method.ADALORA:
            return 0.0
        config = self.bert.peft_config["default"]
        gaps = [
            _off_identity(each)
            for name, each in self.bert.named_parameters()
            if "lora_A" in name or "lora_B" in name
        ]
        weight: float = config.orth_reg_weight
        return weight * torch.stack(gaps).mean()

    def tensors(self) -> dict[str, Tensor]:
        """The encoder's tensors as they are now, changes merged in; on the CPU."""
        with torch.no_grad():
            if self.method is Method.FULL:
                mine = {name: tensor.cpu() for name, tensor in self.bert.state_dict().items()}
                return {**self.base, **{name: mine[name] for name in self.base if name in mine}}
            found = dict(self.base)
            for name, module in self.bert.named_modules():
                if hasattr(module, "get_delta_weight"):
                    at = name.removeprefix("base_model.model.") + ".weight"
                    found[at] = self.base[at] + module.get_delta_weight("default").float().cpu()
            return found

    def backend(self) -> Backend:
        """The encoder as it is now, run as it serves."""
        (recipe, *_) = matching(torch.get_num_threads(), "torch")
        return recipe.make(self.weights, self.tensors())

    def changes(self) -> dict[str, Tensor]:
        """What was learnt, as a bundle keeps it."""
        return adapter.changes(self.base, self.tensors(), whole=self.method is Method.FULL)


def _bert(weights: Weights, tensors: Mapping[str, Tensor]) -> nn.Module:
    """On CPUs with attention spelt out: its backward pass takes half the time of the fused one's."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(**weights.config)
    config.attention_probs_dropout_prob = 0.0
    config.hidden_dropout_prob = 0.0
    make: Any = AutoModel.from_config
    how = "eager" if device().type == "cpu" else "sdpa"
    model: nn.Module = make(config, attn_implementation=how, add_pooling_layer=False)
    model.load_state_dict(dict(tensors), strict=False)
    return model


def _adapted(bert: nn.Module, method: Method, rank: int, steps: int) -> Any:
    if method is Method.FULL:
        for name, parameter in bert.named_parameters():
            parameter.requires_grad = not name.startswith(_TABLE)
        return bert
    try:
        from peft import AdaLoraConfig, LoraConfig, get_peft_model
    except ImportError:
        raise DependencyMissing(f"peft (for --method {method})", "learning") from None
    common: dict[str, Any] = {"target_modules": "all-linear", "lora_dropout": 0.0}
    if method is Method.LORA:
        return get_peft_model(bert, LoraConfig(r=rank, lora_alpha=2 * rank, **common))
    config = AdaLoraConfig(
        init_r=rank + rank // 2,
        target_r=rank,
        lora_alpha=2 * rank,
        tinit=steps // 10,
        tfinal=steps // 2,
        deltaT=10,
        total_step=steps,
        **common,
    )
    return get_peft_model(bert, config)


def _off_identity(factor: Tensor) -> Tensor:
    rows = factor if factor.shape[0] <= factor.shape[1] else factor.T
    product = rows @ rows.T
    gap: Tensor = torch.linalg.matrix_norm(product - torch.eye(len(product), device=factor.device))
    return gap
