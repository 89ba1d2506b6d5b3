"""The sentiment of reviews, through the service that serves and the weights that ship."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.encoding import sentiment
from streamer.encoding.service import EncodingService
from streamer.events import Encoding, Text
from streamer.learning import finetune as tuning
from streamer.learning import reviews
from streamer.learning.metrics import auc, expected_calibration_error
from streamer.learning.reviews import Reviews
from streamer.settings import load
from tests.support.steps import SilentSteps

STORE = Path(__file__).parents[3] / "model_store"
HELD_OUT = 200
AUC_FLOOR = 0.93

GLAD = (
    "Love it. The fabric is soft, the fit is perfect and I get compliments every time I wear it.",
    "Perfect dress! Beautiful colour, true to size, so comfortable. I bought a second one.",
    "My favourite sweater. Warm, flattering and very well made.",
)
SAD = (
    "Terrible quality. It fell apart after one wash, I am so disappointed and sent it back.",
    "Returned. Cheap, itchy fabric and it looked awful on me. Do not waste your money.",
    "Poorly made. The seams ripped the first day and the colour is nothing like the picture.",
)


@pytest.fixture(scope="module")
def labelled() -> Reviews:
    return reviews.labelled(reviews.clothing())


def read(store: Path, texts: Sequence[Text]) -> list[Encoding]:
    service = EncodingService.open(load(model_store=store, encoder_backend="torch-cpu-fp32"))

    async def run() -> list[Encoding]:
        await service.start()
        try:
            return await asyncio.gather(*map(service.encode, texts))
        finally:
            await service.stop()

    return asyncio.run(run())


def review(text: str) -> Text:
    return Text(item_id="i", kind="review", text_id=text[:20], text=text, time=1.0)


def judged(encodings: Sequence[Encoding]) -> np.ndarray:
    found = [encoding.sentiment for encoding in encodings]
    assert None not in found
    return np.array(found)


def test_held_out_reviews_are_told_apart_and_plain_ones_rightly_judged(labelled: Reviews) -> None:
    _, test = reviews.split(labelled)
    places = test[:HELD_OUT]
    texts = [labelled.texts[place] for place in places]
    said = judged(read(STORE, [*texts, *map(review, (*GLAD, *SAD))]))
    held_out, glad, sad = np.split(said, [HELD_OUT, HELD_OUT + len(GLAD)])
    assert auc(labelled.label[places], held_out) > AUC_FLOOR
    assert expected_calibration_error(labelled.label[places], held_out) < 0.1
    assert glad.min() > 0.9
    assert sad.max() < 0.3


def test_a_description_has_no_sentiment() -> None:
    (found,) = read(STORE, [Text(item_id="i", kind="description", text_id="d", text="x", time=1.0)])
    assert found.sentiment is None


def test_what_finetune_saves_is_what_the_encoder_then_uses(
    labelled: Reviews, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = replace(labelled, texts=labelled.texts[:600], label=labelled.label[:600])
    monkeypatch.setattr(tuning, "labelled", lambda source: some)
    settings = load(model_store=tmp_path)
    before = read(tmp_path, [review(GLAD[0])])[0]
    tuned = tuning.finetune(settings, 0, SilentSteps())
    assert before.sentiment is None
    assert sentiment.find(tmp_path, before.fingerprint) == tuned.folder
    assert tuned.metrics["en_auc"] > 0.8
    glad, sad = judged(read(tmp_path, [review(GLAD[0]), review(SAD[0])]))
    assert glad > sad

    card = (tuned.folder / sentiment.CARD).read_text()
    simple = tuned.baselines[tuning.TFIDF]
    for number in (tuned.metrics["en_auc"], tuned.metrics["en_macro_f1"], simple["en_auc"]):
        assert f"{number:.3f}" in card
    assert tuned.text.removeprefix("en\n").rstrip() in card
