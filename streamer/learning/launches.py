"""The launches that come with the project: Complete Journey's, split by time as documented."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from streamer.events import Encoding, NewItem, Text
from streamer.intake import description_text
from streamer.learning.dataset import AtAges, AtMoments, Dataset, Launches, build
from streamer.learning.replay import AT_FIRST_SIGHT
from streamer.replay.sources.complete_journey import DAY_ZERO, CompleteJourney
from streamer.replay.sources.journey_sales import data_file

LAUNCHES = Launches(day_zero=DAY_ZERO, first_day=90.0, last_day=309.0)
TEST_FROM_DAY = 220.0
AGES_DAYS = (AT_FIRST_SIGHT, 0.0, 1 / 24, 1.0, 3.0, 7.0, 14.0, 28.0)
"""First sight is before the first sale; 0 is right after it."""
AT_AGES = AtAges(LAUNCHES, AGES_DAYS)

DATA = ("transactions", "products", "promotions")
"""The files of the data set that the log is read from."""
_PACKAGE = Path(__file__).parent.parent
_CODE = (
    *("events.py", "intake.py", "judge.py", "state/*", "replay/record.py", "replay/sources/*"),
    *(f"learning/{name}.py" for name in ("replay", "looks", "dataset", "launches")),
)
"""What decides what an example is."""


def journey(promoted: bool = True) -> CompleteJourney:
    """The year, with everything that happened in it."""
    return CompleteJourney(history="full", promoted=promoted)


def descriptions(source: CompleteJourney) -> list[Text]:
    """The descriptions of the launches."""
    return [
        description_text(record.value, record.value.item_id)
        for record in source
        if isinstance(record.value, NewItem) and LAUNCHES.includes(record.value)
    ]


def dataset(
    source: CompleteJourney,
    encodings: list[Encoding],
    fingerprint: str,
    dimensions: int,
    cache: Path,
    progress: Callable[[int], None] = lambda _: None,
    ages_days: AtAges | AtMoments = AT_AGES,
) -> Dataset:
    """The examples, from the cache if log, options, encoder and code are the same."""
    path = cache / f"launches-{_key(source, fingerprint, ages_days)}.npz"
    if path.exists():
        progress(source.total)
        return Dataset.load(path)
    by_item = {encoding.item_id: encoding for encoding in encodings}
    keep = path.with_suffix(".partial")
    data = build(source, LAUNCHES, ages_days, by_item, fingerprint, dimensions, progress, keep)
    cache.mkdir(parents=True, exist_ok=True)
    data.save(path)
    return data


def _key(source: CompleteJourney, fingerprint: str, ages_days: AtAges | AtMoments) -> str:
    """A hash of the files that the log is read from, what is made of it, and the code that makes
    it."""
    digest = hashlib.sha256()
    for part in (source.about, source.total, LAUNCHES, ages_days, fingerprint):
        digest.update(repr(part).encode())
    for name in DATA:
        digest.update(data_file(name).read_bytes())
    for code in sorted(file for pattern in _CODE for file in _PACKAGE.glob(pattern)):
        if code.suffix in {".py", ".lua"}:
            digest.update(code.read_bytes())
    return digest.hexdigest()[:16]
