"""Fine-tuning learns, stops, goes on where it was cut short, and ships what it changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.encoding.adapter import merged
from streamer.encoding.backends.torch_flat import TorchFlat, load_tensors
from streamer.encoding.weights import Weights
from streamer.errors import ConfigurationError
from streamer.learning import checkpoints
from streamer.learning.device import device
from streamer.learning.tunable import Method, Tunable
from streamer.learning.tuning import Examples, Floats, Judge, TuneOptions, Tuner, batches, steps
from tests.support.bert import WORDS, small_bert

GLAD, SAD = WORDS.index("love") + 4, WORDS.index("hate") + 4
FAST = {Method.LORA: 0.02, Method.ADALORA: 0.05, Method.FULL: 0.005}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return small_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Texts with one telling word somewhere among others."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 120)
    tokens = []
    for y in label:
        middle = rng.integers(8, 16, rng.integers(2, 20))
        middle[rng.integers(len(middle))] = GLAD if y else SAD
        tokens.append(np.array([2, *middle, 3], np.int32))
    return Examples(tokens, label, np.ones(len(label)))


def options(method: Method = Method.LORA, **more: object) -> TuneOptions:
    given = {"epochs": 4, "rank": 4, "batch_tokens": 256, "learning_rate": FAST[method], **more}
    return TuneOptions(method, **given)  # type: ignore[arg-type]


def by_accuracy(examples: Examples) -> Judge:
    def judge(model: Tunable, seen: Floats, epoch: int) -> dict[str, float]:
        return {"dev": float(((seen > 0) == examples.label).mean())}

    return judge


def tuner(
    weights: Weights,
    examples: Examples,
    folder: Path,
    chosen: TuneOptions,
    judge: Judge | None = None,
) -> Tuner:
    torch.manual_seed(0)
    model = Tunable(weights, chosen.method, chosen.rank, steps(examples, chosen))
    return Tuner(model, examples, chosen, judge or by_accuracy(examples), folder)


@pytest.mark.parametrize("method", [Method.LORA, Method.ADALORA, Method.FULL])
def test_it_learns_and_the_merged_encoder_is_the_one_that_learnt(
    method: Method, weights: Weights, examples: Examples, tmp_path: Path
) -> None:
    chosen = options(method, epochs=6, patience=6)
    mine = tuner(weights, examples, tmp_path, chosen)
    epochs = mine.run(lambda _: None)
    assert max(epoch.metrics["dev"] for epoch in epochs) > 0.9
    base = load_tensors(weights)
    served = merged(base, mine.model.changes())
    assert served["embeddings.word_embeddings.weight"] is base["embeddings.word_embeddings.weight"]
    batch = sorted(examples.tokens[:8], key=len)
    pooled = TorchFlat(weights, served, "fp32").forward(batch)
    mine.model.eval()
    with torch.no_grad():
        for tokens, row in zip(batch, pooled, strict=True):
            ids = torch.from_numpy(tokens.astype(np.int64))[None].to(device())
            states = mine.model.bert(input_ids=ids, attention_mask=torch.ones_like(ids))
            mean = states.last_hidden_state[0].mean(0).cpu().numpy()
            np.testing.assert_allclose(row, mean, atol=0.03)


def test_lora_ships_few_numbers(weights: Weights, examples: Examples, tmp_path: Path) -> None:
    mine = tuner(weights, examples, tmp_path, options(epochs=1))
    mine.run(lambda _: None)
    shipped = mine.model.changes()
    assert all(min(tensor.shape) <= 4 for tensor in shipped.values())
    assert not any("word_embeddings" in name for name in shipped)


@pytest.mark.parametrize(
    ("method", "accumulate"), [*((each, 1) for each in FAST), (Method.LORA, 3)]
)
def test_it_goes_on_where_it_was_cut_short(
    method: Method,
    accumulate: int,
    weights: Weights,
    examples: Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.learning.tuning.SAVE_SECONDS", 0.0)
    chosen = options(method, epochs=3, patience=9, accumulate=accumulate)
    whole = tuner(weights, examples, tmp_path / "whole", chosen)
    whole.run(lambda _: None)

    class Cut(Exception):
        pass

    def cut_short(at: int) -> Callable[[int], None]:
        def told(done: int) -> None:
            if done == at:
                raise Cut

        return told

    looked: list[int] = []

    def judge(model: Tunable, seen: Floats, epoch: int) -> dict[str, float]:
        looked.append(epoch)
        return by_accuracy(examples)(model, seen, epoch)

    first_epoch = len(batches(examples, chosen, 0))
    for at in (first_epoch // 2 + 1, first_epoch + 3, 2 * first_epoch + 3):
        part = tuner(weights, examples, tmp_path / "cut", chosen, judge)
        part.resume()
        with pytest.raises(Cut):
            part.run(cut_short(at))
    rest = tuner(weights, examples, tmp_path / "cut", chosen, judge)
    assert rest.resume()
    rest.run(lambda _: None)
    assert looked == [epoch.number for epoch in rest.progress.epochs] == [1, 2, 3]
    for name, tensor in whole.model.learns().items():
        torch.testing.assert_close(tensor, rest.model.learns()[name], atol=2e-2, rtol=0.1)


def test_a_checkpoint_of_other_work_is_refused(
    weights: Weights, examples: Examples, tmp_path: Path
) -> None:
    tuner(weights, examples, tmp_path, options(epochs=1)).run(lambda _: None)
    with pytest.raises(ConfigurationError, match="--run"):
        tuner(weights, examples, tmp_path, options(epochs=2)).resume()
    other = small_bert(tmp_path / "other", seed=1)
    with pytest.raises(ConfigurationError, match="--run"):
        tuner(other, examples, tmp_path, options(epochs=1)).resume()


def test_it_stops_when_the_dev_reviews_get_no_better_and_keeps_the_best(
    weights: Weights, examples: Examples, tmp_path: Path
) -> None:
    scores = iter([0.5, 0.9, 0.8, 0.7, 0.6])
    kept: list[dict[str, torch.Tensor]] = []

    def judge(model: Tunable, seen: Floats, epoch: int) -> dict[str, float]:
        kept.append({name: each.detach().clone() for name, each in model.learns().items()})
        return {"dev": next(scores)}

    mine = tuner(weights, examples, tmp_path, options(epochs=5, patience=2), judge)
    epochs = mine.run(lambda _: None)
    assert [epoch.metrics["dev"] for epoch in epochs] == [0.5, 0.9, 0.8, 0.7]
    for name, tensor in mine.model.learns().items():
        torch.testing.assert_close(tensor.detach(), kept[1][name])


def test_accumulated_passes_make_one_step(
    weights: Weights, examples: Examples, tmp_path: Path
) -> None:
    chosen = options(epochs=1, accumulate=3)
    mine = tuner(weights, examples, tmp_path, chosen)
    mine.run(lambda _: None)
    assert mine.progress.step == steps(examples, chosen)
    assert mine.progress.step == -(-len(batches(examples, chosen, 0)) // 3)


def test_every_text_is_in_one_batch_of_an_epoch_and_batches_keep_the_budget(
    examples: Examples,
) -> None:
    chosen = options()
    for epoch in range(2):
        found = batches(examples, chosen, epoch)
        assert sorted(np.concatenate(found)) == list(range(len(examples.label)))
        for batch in found:
            longest = max(len(examples.tokens[place]) for place in batch)
            assert len(batch) == 1 or len(batch) * longest <= chosen.batch_tokens
    orders = [np.concatenate(batches(examples, chosen, epoch)).tolist() for epoch in range(2)]
    assert orders[0] != orders[1]


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04cut off", b"cno\nsuch\n."])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / checkpoints.FILE).write_bytes(content)
    with pytest.raises(ConfigurationError, match="is no checkpoint"):
        checkpoints.load(tmp_path, "identity")
