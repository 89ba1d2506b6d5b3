from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.learning.finetune import sources
from streamer.learning.metrics import auc, expected_calibration_error
from streamer.learning.pooled import pooled
from streamer.learning.sentiment_head import PENALTIES, compete, threshold
from tests.support.bert import small_bert
from tests.unit.encoding.fakes import CountingBackend, model, vector

WIDTH = 6


@pytest.fixture
def sides() -> tuple[np.ndarray, np.ndarray]:
    """Labels that only the second layer knows of."""
    rng = np.random.default_rng(0)
    states = rng.normal(3.0, 2.0, size=(3000, 2 * WIDTH)).astype(np.float32)
    logit = 1.5 * (states[:, WIDTH] - 3.0) + 1.0
    return states, (rng.random(3000) < 1 / (1 + np.exp(-logit))).astype(np.int64)


def test_the_best_head_reads_the_layers_that_know(sides: tuple[np.ndarray, np.ndarray]) -> None:
    states, label = sides
    found = compete(states[:1000], label[:1000], states[1000:2000], label[1000:2000], WIDTH)
    assert len(found) == 2 * len(PENALTIES)
    assert [c.auc for c in found] == sorted((c.auc for c in found), reverse=True)
    assert found[0].layers == found[0].head.layers(WIDTH) == 2
    assert found[-1].layers == 1
    assert found[-1].auc < 0.6 < 0.85 < found[0].auc


def test_a_head_is_calibrated_on_reviews_that_nobody_has_seen(
    sides: tuple[np.ndarray, np.ndarray],
) -> None:
    states, label = sides
    best = compete(states[:1000], label[:1000], states[1000:2000], label[1000:2000], WIDTH)[0]
    probability = best.head.probability(states[2000:])
    assert auc(label[2000:], probability) > 0.85
    assert expected_calibration_error(label[2000:], probability) < 0.05


def test_the_threshold_parts_the_classes() -> None:
    label = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    probability = np.array([0.2, 0.6, 0.65, 0.7, 0.8, 0.9, 0.95, 0.99])
    assert 0.65 < threshold(label, probability) <= 0.7


def test_pooled_states_come_in_the_order_of_the_texts_from_batches_within_the_budget() -> None:
    backend = CountingBackend(streams=2)
    texts = ["a" * n for n in (30, 3, 17, 9, 25)]
    done: list[int] = []
    found = pooled(model(backend), texts, 2, 40, done.append)
    for row, text in zip(found, texts, strict=True):
        np.testing.assert_allclose(row, np.tile(vector(text), 2))
    assert sum(done) == len(texts)
    assert len(backend.batches) > 1
    assert all(sum(len(t) + 2 for t in batch) <= 40 for batch in backend.batches)


def test_a_text_that_cannot_be_read_is_all_zeros() -> None:
    found = pooled(model(CountingBackend()), ["good", " "], 1, 40)
    assert found[0].any()
    assert not found[1].any()


@pytest.mark.parametrize(
    ("languages", "learnt"), [(("en",), ["en"]), (("en", "zh"), ["en", "zh"]), ((), ["en", "zh"])]
)
def test_an_encoder_learns_from_reviews_that_it_can_read_whatever_its_name(
    languages: tuple[str, ...], learnt: list[str], tmp_path: Path
) -> None:
    weights = replace(small_bert(tmp_path), languages=languages)
    assert [of.language for of in sources(weights, 0)] == learnt
