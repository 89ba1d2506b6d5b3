"""Words that were planted as what decides are found, and integrated gradients agree."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.encoding.adapter import merged
from streamer.encoding.backends.torch_flat import TorchFlat, load_tensors
from streamer.encoding.explain import explain, explain_description
from streamer.encoding.model import Model
from streamer.encoding.sentiment import Head
from streamer.encoding.tokenizer import Tokenizer
from streamer.encoding.weights import TOKENIZER
from streamer.errors import BadEvent
from streamer.learning.tunable import Method, Tunable
from streamer.learning.tuning import Examples, TuneOptions, Tuner, steps
from tests.support.bert import WIDTH, small_bert

NEUTRAL = ("dress", "it", "the", "fit", "soft", "thin")
REVIEWS = ("the love dress fit", "hate thin dress it", "soft 好 fit dress", "坏 thin fit soft it")
PLANTED = ("love", "hate", "好", "坏")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Tunable]:
    """A small encoder that was taught what the planted words mean, and nothing else."""
    weights = small_bert(tmp_path_factory.mktemp("bert"))
    tokenizer = Tokenizer(weights.folder / TOKENIZER, prefix="", max_tokens=64)
    rng = np.random.default_rng(0)
    texts, label = [], rng.integers(0, 2, 200)
    for y in label:
        words = rng.choice(NEUTRAL, rng.integers(3, 8)).tolist()
        words[rng.integers(len(words))] = str(rng.choice(("love", "好") if y else ("hate", "坏")))
        texts.append(" ".join(words))
    tokens = [each for each in tokenizer.tokenize(texts) if each is not None]
    examples = Examples(tokens, label, np.ones(len(label)))
    options = TuneOptions(Method.FULL, epochs=8, learning_rate=0.004, batch_tokens=256, patience=8)
    torch.manual_seed(0)
    tunable = Tunable(weights, Method.FULL, 1, steps(examples, options))
    folder: Path = tmp_path_factory.mktemp("run")
    better = itertools.count()
    Tuner(tunable, examples, options, lambda m, seen, epoch: {"dev": next(better)}, folder).run(
        lambda _: None
    )
    tunable.eval()
    backend = TorchFlat(weights, merged(load_tensors(weights), tunable.changes()), "fp32")
    head = Head(tunable.head.weight.detach().numpy()[0], float(tunable.head.bias.detach()[0]))
    return Model("m", WIDTH, tokenizer, backend, head), tunable


@pytest.mark.parametrize(("review", "planted"), list(zip(REVIEWS, PLANTED, strict=True)))
def test_the_planted_word_weighs_most_and_with_the_right_sign(
    taught: tuple[Model, Tunable], review: str, planted: str
) -> None:
    found = explain(taught[0], review)
    assert found.keywords[0].word == planted
    assert (found.keywords[0].weight > 0) == (planted in ("love", "好"))
    assert (found.probability > 0.5) == (planted in ("love", "好"))
    assert [found.text[start:end] for start, end in found.keywords[0].places] == [planted]


@pytest.mark.parametrize("review", REVIEWS)
def test_integrated_gradients_agree_on_the_word(taught: tuple[Model, Tunable], review: str) -> None:
    model, tunable = taught
    (tokens,) = model.tokenizer.tokenize([review])
    assert tokens is not None
    gradients = integrated_gradients(tunable, torch.from_numpy(tokens.astype(np.int64)))
    strongest = review.split()[int(np.abs(gradients[1:-1]).argmax())]
    assert explain(model, review).keywords[0].word == strongest


def integrated_gradients(tunable: Tunable, ids: torch.Tensor, points: int = 32) -> np.ndarray:
    """Sundararajan et al., 2017, from the mean word of the table to each text's words."""
    table = tunable.bert.embeddings.word_embeddings.weight.detach()
    start, end = table.mean(0).expand(len(ids), -1), table[ids]
    total = torch.zeros_like(end)
    for share in (torch.arange(points) + 0.5) / points:
        words = (start + share * (end - start))[None].requires_grad_()
        states = tunable.bert(inputs_embeds=words).last_hidden_state
        (gradient,) = torch.autograd.grad(tunable.head(states.mean(1)).sum(), words)
        total += gradient[0]
    return ((end - start) * total / points).sum(1).numpy()


def test_a_word_that_is_all_there_is_weighs_nothing_it_could_be_compared_with(
    taught: tuple[Model, Tunable],
) -> None:
    (only,) = explain(taught[0], "love").keywords
    assert only.weight == 0


def test_a_text_of_nothing_is_refused(taught: tuple[Model, Tunable]) -> None:
    with pytest.raises(BadEvent):
        explain(taught[0], " \u200b ")


def test_a_review_in_a_language_that_the_encoder_does_not_know_is_refused(
    taught: tuple[Model, Tunable],
) -> None:
    model, _ = taught
    file = taught[1].weights.folder / TOKENIZER
    english = Tokenizer(file, prefix="", max_tokens=64, reads_han=False)
    with pytest.raises(BadEvent, match="Chinese"):
        explain(replace(model, tokenizer=english), "好 dress 好")


def test_a_word_of_a_description_weighs_what_the_score_loses_without_it(
    taught: tuple[Model, Tunable],
) -> None:
    model, _ = taught
    tokens = model.tokenizer.tokenize(["love", "dress it the fit"])
    towards = model.embed([each for each in tokens if each is not None])
    way = (towards[0] - towards[1]).astype(np.float64)
    found = explain_description(model, "the love dress fit", lambda rows: rows @ way)
    assert found.keywords[0].word == "love"
    assert found.keywords[0].weight > 0
