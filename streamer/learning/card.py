"""The model card of a launch predictor: what it learnt from, what success is, how good it is, and
what it can't know."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streamer import __version__
from streamer.learning.caveats import caveats
from streamer.learning.dataset import Dataset
from streamer.learning.examples import Origin
from streamer.learning.transfer import Transfer, card_lines
from streamer.scoring.predictor import Predictor

SUCCESS = {
    "buyers": "distinct buyers",
    "value": "sales value",
    "repeat_rate": "share of buyers who bought again",
    "return_rate": "purchases returned for each made (a high P is bad news)",
}
"""What success means, in words, by outcome."""


def card(
    name: str,
    of: Origin,
    data: Dataset,
    predictor: Predictor,
    transfer: Transfer | None,
    metrics: dict[str, float],
    encoder: str,
) -> str:
    lines = [
        *_head(name, transfer),
        *_learnt(of, data),
        f"- **Encoder** {encoder}",
        *_limits(of, predictor, transfer),
        "",
        "![AUC and loss by epoch](learning.png)",
        "",
        *_table(metrics),
    ]
    if transfer:
        lines += ["", *card_lines(transfer)]
    return "\n".join(lines) + "\n"


def _head(name: str, transfer: Transfer | None) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    yield "An ensemble of small networks over content, price, family, exposure, behaviour and reviews,"
    if transfer:
        yield "what of them its log has, with a linear term for what reviews add beside them,"
    yield "taught by boosted trees beside the labels; calibrated by stage (Platt) on the latest launches."
    yield f"Written by `streamer train`, streamer {__version__}."
    yield ""


def _learnt(of: Origin, data: Dataset) -> Iterator[str]:
    study, success, period = of.study, of.study.success, of.study.period
    yield f"- **Trained on** {' '.join(study.source.about.split())}"
    if study.source.told:
        yield f"- **Left out of it** {study.source.told}"
    for caveat in caveats(of.found.outcomes):
        yield f"- **To be known** {caveat}."
    yield (
        f"- **Examples** {len(data)} looks at {len(np.unique(data.item))} launches from "
        f"{period['from']} to before {period['test_from']}; tested on "
        f"{len(np.unique(of.test.item))} launches from then to before {period['until']}."
    )
    yield (
        f"- **Success** {SUCCESS[success.outcome]} within {success.horizon_days:g} days strictly "
        f"above the {100 * success.quantile:g}th percentile of the launches of the same "
        f"{success.cohort_days:g} days; {100 * data.label.mean():.1f} % of the examples."
    )


def _limits(of: Origin, predictor: Predictor, transfer: Transfer | None) -> Iterator[str]:
    if of.reader.sentiment:
        yield (
            f"- **Reviews** {len(of.found.reviews)} of launches, read by {of.reader.sentiment.name}, "
            "are learnt from as they were written."
        )
    unread = list(_unread(predictor))
    if unread:
        yield f"- **Does not read** what never varied in this log: {', '.join(unread)}."
    if transfer:
        yield (
            f"- **What it can't know** this log has {len(of.found.reviews)} reviews of launches, too "
            "few to learn from; see below."
        )


def _unread(predictor: Predictor) -> Iterator[str]:
    """Features that neither the networks nor the term read; the dimensions of reviews' vectors as
    one."""
    read = {*predictor.values.tolist(), *predictor.termed.tolist()}
    names = [name for place, name in enumerate(predictor.features) if place not in read]
    yield from (name for name in names if not name.startswith("review_v"))
    if any(name.startswith("review_v") for name in names):
        yield "what reviews talk about"


def _table(metrics: dict[str, float]) -> Iterator[str]:
    yield "| age | AUC | expected calibration error |"
    yield "|---|---|---|"
    for key, value in metrics.items():
        if key.startswith("auc.age_"):
            age = key.removeprefix("auc.age_")
            yield f"| {age} | {value:.3f} | {metrics['ece.age_' + age]:.3f} |"
