"""From a study to examples: its texts encoded, its log replayed, looks kept for the next time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.encoding import sentiment
from streamer.encoding.weights import resolve
from streamer.events import Encoding, NewItem, Text
from streamer.learning.dataset import Dataset, labelled
from streamer.learning.encode import encode
from streamer.learning.launches import AtAges
from streamer.learning.looks import Looks, Watch, observe
from streamer.learning.reading import Encoded
from streamer.learning.steps import Steps, summing
from streamer.learning.study import Study
from streamer.learning.survey import Survey, check, survey
from streamer.learning.transfer import sentiment_bundle
from streamer.settings import Settings

_PACKAGE = Path(__file__).parent.parent
_CODE = (
    *("events.py", "intake.py", "wire.py", "validity.py", "judge.py"),
    *("state/*", "encoding/*", "encoding/backends/*", "replay/record.py", "replay/sources/*"),
    *(f"learning/{name}.py" for name in ("replay", "looks", "launches", "accepted", "reading")),
    "learning/encode.py",
)
"""What decides what a look sees."""

Ages = Callable[[NewItem], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Reader:
    """The encoder, and the sentiment bundle of reviews where any are learnt from."""

    fingerprint: str
    dimensions: int
    sentiment: Path | None = None

    @property
    def identity(self) -> str:
        """What vectors and sentiments depend on."""
        return sentiment.load(self.sentiment).identity if self.sentiment else self.fingerprint


@dataclass(frozen=True, slots=True)
class Origin:
    """Where examples come from: the study, what its log holds, what read it, and the launches that
    are kept for the test."""

    study: Study
    found: Survey
    reader: Reader
    test: Dataset


def examples(settings: Settings, study: Study, steps: Steps) -> tuple[Dataset, Origin]:
    """The launches to learn from, and the later ones to measure on. Trains the encoder's sentiment
    first, where reviews are learnt from and it has none.

    Raises DependencyMissing, ConfigurationError, BundleError.
    """
    with steps.step("read the log", study.source.total) as told:
        found = survey(study, told)
    check(found)
    reader = _reader(settings, found, steps)

    def encoded() -> list[Encoding]:
        return encodings(settings, found.texts, steps)

    seen = looks(settings, study, AtAges(study.launches, study.ages_days), reader, encoded, steps)
    data = labelled(seen, found.outcomes)
    early = data.launch_day < study.test_from_day
    return data.where(early), Origin(study, found, reader, data.where(~early))


def _reader(settings: Settings, found: Survey, steps: Steps) -> Reader:
    weights = resolve(settings.encoder, settings.cache_folder)
    read = sentiment_bundle(settings, 0, steps) if found.learns_reviews else None
    return Reader(weights.fingerprint, weights.dimensions, read)


def encodings(settings: Settings, texts: Sequence[Text], steps: Steps) -> list[Encoding]:
    with steps.step("encode texts", len(texts)) as told:
        found, _, _ = encode(settings, texts, summing(told))
    return found


def looks(
    settings: Settings,
    study: Study,
    ages: Ages,
    reader: Reader,
    encoded: Callable[[], list[Encoding]],
    steps: Steps,
) -> Looks:
    """Looks at a study's launches, from the cache if log, ages, encoder and code are the same.

    ``ages`` must tell by their repr when they are. ``encoded`` gives the encodings of the log's
    texts, where they are needed.
    """
    cache = settings.cache_folder
    path = cache / f"looks-{_key(study, ages, reader)}.npz"
    if path.exists():
        return Looks.load(path)
    watch = Watch(ages, Encoded(encoded()), reader.fingerprint, reader.dimensions)
    with steps.step("replay the log", study.source.total) as told:
        found = observe(study.source, watch, told, path.with_suffix(".partial"))
    cache.mkdir(parents=True, exist_ok=True)
    found.save(path)
    return found


def _key(study: Study, ages: Ages, reader: Reader) -> str:
    """A hash of the files that the log is read from, or of its records, of what is made of it, and
    of the code that makes it."""
    digest = hashlib.sha256()
    source = study.source
    for part in (source.about, source.total, source.rules, ages, reader.identity):
        digest.update(repr(part).encode())
    for file in study.files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    for record in () if study.files else source:
        digest.update(record.key + record.encoded())
    for code in sorted(file for pattern in _CODE for file in _PACKAGE.glob(pattern)):
        if code.suffix in {".py", ".lua"}:
            digest.update(code.read_bytes())
    return digest.hexdigest()[:16]
