"""What reviews say of a launch, learnt from the clothing shop and carried over to the predictor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from streamer.encoding import sentiment
from streamer.encoding.weights import resolve
from streamer.learning.encode import encode
from streamer.learning.finetune import finetune
from streamer.learning.looks import Watch, observe
from streamer.learning.reading import Encoded
from streamer.learning.review_term import (
    AGES_DAYS,
    LATER_REVIEWS,
    Examples,
    ReviewTerm,
    examples,
    fit_term,
)
from streamer.learning.reviews import clothing, recommended, written
from streamer.learning.steps import Steps, summing
from streamer.settings import Settings
from streamer.state.features import REVIEW

TERM = ("sentiment", "sentiment_168h", "rating")
COUNTS = ("reviews", "ratings")
TOPICS = tuple(name for name in REVIEW if name not in (*TERM, *COUNTS))


@dataclass(frozen=True, slots=True)
class Transfer:
    """The term, what it was learnt from, and the sentiment bundle that read the reviews."""

    term: ReviewTerm
    about: str
    sentiment: str


def learn_reviews(
    settings: Settings, features: tuple[str, ...], members: int, seed: int, steps: Steps
) -> Transfer:
    """Replays the clothing reviews and learns the term of these features, of TERM. Trains the
    encoder's sentiment first where it has none. Raises ConfigurationError, DependencyMissing,
    BundleError."""
    source = clothing()
    bundle = sentiment_bundle(settings, seed, steps).name
    texts = written(source)
    with steps.step("encode reviews", len(texts)) as told:
        encodings, _, dimensions = encode(settings, texts, summing(told))
    reader = encodings[0].fingerprint
    watch = Watch(lambda _: AGES_DAYS, Encoded(encodings), reader, dimensions)
    with steps.step("replay the reviews", source.total) as told:
        looks = observe(source, watch, told)
    data = examples(looks, source, recommended())
    term = fit_term(data, features, members, seed)
    others = _others(data, features, members, seed)
    return Transfer(replace(term, metrics=term.metrics | others), source.about, bundle)


def sentiment_bundle(settings: Settings, seed: int, steps: Steps) -> Path:
    """The folder of the encoder's sentiment bundle, trained first where there is none. Raises
    ConfigurationError, DependencyMissing, BundleError."""
    found = sentiment.find(
        settings.model_store, resolve(settings.encoder, settings.cache_folder).fingerprint
    )
    return found or finetune(settings, seed, steps).folder


def _others(data: Examples, features: tuple[str, ...], members: int, seed: int) -> dict[str, float]:
    """What the term would reach if it read more than it does."""
    return {
        f"review_term.auc.with_{name}": fit_term(data, (*features, *more), members, seed).metrics[
            "review_term.auc"
        ]
        for name, more in (("counts", COUNTS), ("topics", TOPICS))
    }


def card_lines(transfer: Transfer) -> Iterator[str]:
    """The term's part of the predictor's card."""
    term, found = transfer.term, transfer.term.metrics
    yield "## What reviews add"
    yield ""
    yield "The launches have too few reviews to learn from, so what they add is transferred from another"
    yield "shop's data."
    yield "It is linear in each feature, never falls as one rises, and is zero without reviews."
    yield ""
    yield f"- **Learnt from** {transfer.about} Read by {transfer.sentiment}."
    yield (
        "- **Success there** later reviews recommend the garment more often than the median of "
        f"garments of that age; {found['review_term.looks']:.0f} looks at "
        f"{found['review_term.items']:.0f} garments that have {LATER_REVIEWS} later reviews or more."
    )
    yield (
        f"- **AUC** {found['review_term.auc']:.3f} on garments not learnt from (base rate "
        f"{found['review_term.base_rate']:.3f}, so 0.5 is chance): a weak sign, and a weak term. "
        "The sentiment bundle has seen most of these reviews with their labels, which flatters it "
        "a little."
    )
    yield (
        f"- **AUC for volume** {found['review_term.auc_of_volume']:.3f} for being in the fifth of "
        "garments with most later reviews: being liked is not being bought, and the clock that "
        "tells early from late is made up."
    )
    yield (
        f"- **Left out** how many reviews there are (AUC with them "
        f"{found['review_term.auc.with_counts']:.3f}) and what they talk about "
        f"({found['review_term.auc.with_topics']:.3f}): fit and fabric say nothing about other goods."
    )
    if "rating" in term.features:
        yield "- **Ratings** are taken as 1 to 5; beyond those seen they count as the outermost."
    yield (
        "- **Assumed** that this term's logit adds to the launches' one to one, which no data here can "
        "test."
    )
    yield ""
    yield "| feature | usual | spread | logit per spread | least | most |"
    yield "|---|---|---|---|---|---|"
    for place, name in enumerate(term.features):
        weight = term.weights[:, place].mean()
        ends = [
            weight * (end[place] - term.mean[place]) / term.scale[place] + 0.0
            for end in (term.least, term.greatest)
        ]
        yield (
            f"| {name} | {term.mean[place]:.3f} | {term.scale[place]:.3f} | {weight:+.2f} "
            f"| {ends[0]:+.2f} | {ends[1]:+.2f} |"
        )
