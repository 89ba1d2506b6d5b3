"""A study file: which log of a shop is learnt from, and what success is.

It is TOML; all but the log may be left out, and is then as here:

    [log]
    behaviour = ["behaviour.jsonl"]     # one file or several, as `streamer replay` reads them;
    catalogue = ["items.jsonl"]         # paths start at this file's folder
    behaviour_mapping = "events.toml"   # none unless told; see `streamer replay --help`
    catalogue_mapping = "items.toml"
    format = "auto"                     # or jsonl, csv, parquet, amazon-2023
    # topics = true                     # in the place of files: what the input topics retain
    # packaged = "complete-journey"     # or this

    [launches]                          # days since the log began, or dates (UTC): 2025-09-01
    first = 28                          # launches before it only warm the state up
    test_from = …                       # those from then on are measured on; the last 30 % of days
    last = …                            # launches before it are used; horizon_days before the end
    ages_days = [0, 0.042, 1, 3, 7, 14, 28]   # whole hours; first sight is always there

    [success]
    outcome = "buyers"                  # or value, repeat_rate, return_rate
    horizon_days = 56                   # counted for so long after a launch
    quantile = 0.8                      # success is to be strictly above that of its cohort:
    cohort_days = 30                    # launches of the same so many days

    [reviews]
    least = 200                         # with fewer, what reviews add comes from another shop's
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from streamer import toml_file
from streamer.learning.accepted import Accepted
from streamer.learning.launches import Launches
from streamer.learning.outcomes import Outcome
from streamer.learning.replay import AT_FIRST_SIGHT
from streamer.learning.study import AGES_DAYS, LEAST_REVIEWS, Study, journey
from streamer.live import Success
from streamer.replay.record import Source
from streamer.replay.sources.log import open_input
from streamer.replay.sources.merge import merged
from streamer.replay.sources.opening import FileFormat, open_files
from streamer.replay.sources.topics import TopicSource
from streamer.settings import Settings
from streamer.state.layout import DAY
from streamer.toml_file import TomlFile
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

WARM_UP_DAYS = 28.0
"""As long as the longest rate of relatives looks back."""
LEARNT_SHARE = 0.7
"""Of the days of launches."""

PACKAGED = "complete-journey"

Files = str | list[str]
Day = Annotated[float, Meta(ge=0)] | date
Positive = Annotated[float, Meta(gt=0)]


class _Log(Struct, forbid_unknown_fields=True):
    behaviour: Files = []
    catalogue: Files = []
    behaviour_mapping: str | None = None
    catalogue_mapping: str | None = None
    format: FileFormat = "auto"
    topics: bool = False
    packaged: Literal["complete-journey"] | None = None


class _Launches(Struct, forbid_unknown_fields=True):
    first: Day | None = None
    test_from: Day | None = None
    last: Day | None = None
    ages_days: list[Annotated[float, Meta(ge=0)]] | None = None


class _Success(Struct, forbid_unknown_fields=True):
    outcome: Outcome = "buyers"
    horizon_days: Positive = Success().horizon_days
    cohort_days: Positive = Success().cohort_days
    quantile: Annotated[float, Meta(gt=0, lt=1)] = Success().quantile


class _Reviews(Struct, forbid_unknown_fields=True):
    least: Annotated[int, Meta(ge=1)] = LEAST_REVIEWS


class _File(Struct, forbid_unknown_fields=True):
    log: _Log = msgspec.field(default_factory=_Log)
    launches: _Launches = msgspec.field(default_factory=_Launches)
    success: _Success = msgspec.field(default_factory=_Success)
    reviews: _Reviews = msgspec.field(default_factory=_Reviews)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A log and what it is read from, where its days begin (seconds) and end (days), and its
    documented split, if any."""

    source: Accepted
    files: Sequence[Path]
    day_zero: float
    end_day: float
    first_day: float = WARM_UP_DAYS
    test_from_day: float | None = None


def open_study(path: Path | None, settings: Settings) -> Study:
    """The study of a file, Complete Journey's without one.

    Raises ConfigurationError with the file and the line, DependencyMissing, BrokerUnavailable.
    """
    if path is None:
        return journey(settings)
    file = toml_file.read(path, _File, _choices)
    opened = _opened(file, settings)
    success = Success(**msgspec.structs.asdict(file.given.success))
    launches, test_from = _split(file, opened, success)
    return Study(
        source=opened.source,
        files=opened.files,
        launches=launches,
        test_from_day=test_from,
        success=success,
        ages_days=_ages(file, success.horizon_days),
        least_reviews=file.given.reviews.least,
    )


def _opened(file: TomlFile[_File], settings: Settings) -> _Opened:
    of = file.given.log
    if sum(map(bool, (of.behaviour or of.catalogue, of.topics, of.packaged))) > 1:
        raise file.wrong("log", "[log] names files, topics or packaged: keep one of them")
    if of.packaged:
        return _packaged(settings)
    return _retained(settings) if of.topics else _own(file, settings)


def _packaged(settings: Settings) -> _Opened:
    base = journey(settings)
    of = base.launches
    end = of.last_day + base.success.horizon_days
    return _Opened(base.source, base.files, of.day_zero, end, of.first_day, base.test_from_day)


def _retained(settings: Settings) -> _Opened:
    """What the input topics retain."""
    source = TopicSource(settings)
    return _Opened(Accepted(source, settings), [], *_days(source))


def _days(source: Source) -> tuple[float, float]:
    """Where the day begins on which a source does (seconds), and in how many days it ends."""
    day_zero = source.start_time // DAY * DAY
    return day_zero, (source.last_time - day_zero) / DAY


def _own(file: TomlFile[_File], settings: Settings) -> _Opened:
    """The log begins and ends with the behaviour."""
    of = file.given.log
    behaviour, catalogue = _files(file, "behaviour"), _files(file, "catalogue")
    mappings = {name: _mapping(file, f"{name}_mapping") for name in ("behaviour", "catalogue")}
    if of.format == "amazon-2023":
        source = acts = open_files([*behaviour, *catalogue], format=of.format)
    else:
        acts = open_input(USER_BEHAVIOUR, behaviour, mappings["behaviour"], of.format)
        items = open_input(NEW_ITEMS, catalogue, mappings["catalogue"], of.format)
        source = merged([items, acts])
    files = [*behaviour, *catalogue, *(each for each in mappings.values() if each)]
    return _Opened(Accepted(source, settings), files, *_days(acts))


def _files(file: TomlFile[_File], name: str) -> list[Path]:
    given = getattr(file.given.log, name)
    names = [given] if isinstance(given, str) else given
    if not names:
        raise file.wrong("log", f"[log] needs {name}: the files of the {name} (or topics = true)")
    return [_existing(file, name, each) for each in names]


def _mapping(file: TomlFile[_File], name: str) -> Path | None:
    given = getattr(file.given.log, name)
    return _existing(file, name, given) if given else None


def _existing(file: TomlFile[_File], name: str, given: str) -> Path:
    found = file.path.parent / Path(given).expanduser()
    if not found.is_file():
        raise file.wrong(name, f"{name}: there is no file {found}")
    return found


def _split(file: TomlFile[_File], opened: _Opened, success: Success) -> tuple[Launches, float]:
    """Which launches are used, and from which day on they are tested on."""
    given, end = file.given.launches, opened.end_day - success.horizon_days
    first = _day(given.first, opened, opened.first_day)
    last = _day(given.last, opened, end)
    found = Launches(opened.day_zero, first, last)
    if last > end:
        raise file.wrong(
            "last",
            f"launches before {found.date(last)} would be followed for {success.horizon_days:g} days, "
            f"but the log ends on {found.date(opened.end_day)}: leave `last` out, or make it or "
            "horizon_days smaller",
        )
    if first >= last:
        raise file.wrong(
            "horizon_days",
            f"no launch is left: they are used from {found.date(first)} on and followed for "
            f"{success.horizon_days:g} days, and the log ends on {found.date(opened.end_day)}: make "
            "first or horizon_days smaller",
        )
    usual = opened.test_from_day or float(round(first + LEARNT_SHARE * (last - first)))
    test_from = _day(given.test_from, opened, usual)
    if not first < test_from < last:
        raise file.wrong(
            "test_from",
            f"test_from, {found.date(test_from)}, is not between the first launches, "
            f"{found.date(first)}, and the last, {found.date(last)}",
        )
    return found, test_from


def _day(given: float | date | None, opened: _Opened, usual: float) -> float:
    """A number of days since the log began."""
    if isinstance(given, date):
        return (datetime.combine(given, time(), UTC).timestamp() - opened.day_zero) / DAY
    return usual if given is None else given


def _ages(file: TomlFile[_File], horizon_days: float) -> tuple[float, ...]:
    """First sight, right after the launch, and those asked for, of whole hours; without, the usual
    ones within the horizon."""
    given = file.given.launches.ages_days
    if given is None:
        return tuple(age for age in AGES_DAYS if age < horizon_days)
    ages = sorted({0.0, *(round(24 * age) / 24 for age in given)})
    if ages[-1] >= horizon_days:
        raise file.wrong(
            "ages_days",
            f"at {ages[-1]:g} days the outcome after {horizon_days:g} days is known: all ages must "
            "be smaller than horizon_days",
        )
    return (AT_FIRST_SIGHT, *ages)


def _choices(name: str) -> str:
    """What may stand where ``name`` does, or in it; nothing where a number may."""
    forms = {"log": _Log, "launches": _Launches, "success": _Success, "reviews": _Reviews}
    day = "it is a number of days since the log began, or a date such as 2025-09-01"
    known = {
        **{key: _listed(form.__struct_fields__) for key, form in forms.items()},
        "outcome": _listed(get_args(Outcome)),
        "format": _listed(get_args(FileFormat)),
        "packaged": _listed([PACKAGED]),
        **dict.fromkeys(("first", "test_from", "last"), f"; {day}"),
    }
    fields = {field for form in forms.values() for field in form.__struct_fields__}
    return known.get(name, "" if name in fields else _listed(forms))


def _listed(names: Iterable[str]) -> str:
    return f"; there are {', '.join(names)}"
