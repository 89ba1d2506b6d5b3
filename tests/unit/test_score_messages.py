"""What is packed column by column is an `ItemScore` as msgspec reads and writes it."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import ItemScore
from streamer.score_messages import ScorePacker
from streamer.scoring.explain import Explainer
from streamer.scoring.predictor import STAGES
from tests.support.bundles import random_predictor
from tests.unit.scoring.test_predictor import inputs

PREDICTOR = random_predictor(1)
EXPLAINER = Explainer(PREDICTOR)
decode = msgspec.msgpack.Decoder(ItemScore).decode


@given(
    st.lists(st.text(min_size=1, max_size=200), max_size=6),
    st.integers(0, 2**32),
    st.floats(0, 1e10),
    st.integers(1, 5),
)
def test_every_message_says_what_was_scored(
    ids: list[str], seed: int, time: float, count: int
) -> None:
    x, content, stage = inputs(seed, len(ids))
    scores = PREDICTOR.score(x, content, stage)
    phrases = EXPLAINER.top(x, ~np.isnan(content[:, 0]), EXPLAINER.weights(scores), count)
    versions = np.random.default_rng(seed).integers(0, 2**52, len(ids)).astype(float)
    packer = ScorePacker("model ✓", PREDICTOR.names, EXPLAINER.phrases)
    packed = packer.pack(ids, scores, phrases, versions, time)
    expected = [
        ItemScore(
            item_id=item_id,
            probability=float(scores.probability[i]),
            uncertainty=float(scores.uncertainty[i]),
            stage=STAGES[scores.stage[i]],  # type: ignore[arg-type]
            logit=float(scores.logit[i]),
            contributions=dict(zip(PREDICTOR.names, scores.contributions[i].tolist(), strict=True)),
            reasons=[EXPLAINER.phrases[place] for place in phrases[i]],
            model="model ✓",
            version=int(versions[i]),
            time=time,
        )
        for i, item_id in enumerate(ids)
    ]
    assert [decode(message) for message in packed] == expected
    fields = [list(msgspec.msgpack.decode(message)) for message in packed]
    assert fields == [list(ItemScore.__struct_fields__)] * len(ids)
    for message in expected:
        assert sum(message.contributions.values()) == np.float64(message.logit).round(9) or (
            abs(sum(message.contributions.values()) - message.logit) < 1e-9
        )
