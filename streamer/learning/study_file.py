"""From a study file to a study."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import msgspec

from streamer import toml_file
from streamer.learning.launches import Launches
from streamer.learning.replay import AT_FIRST_SIGHT
from streamer.learning.study import AGES_DAYS, Study, journey
from streamer.learning.study_form import StudyForm, choices
from streamer.learning.study_log import Opened, open_log_of
from streamer.settings import Settings
from streamer.state.layout import DAY
from streamer.success import Success
from streamer.toml_file import TomlFile

LEARNT_SHARE = 0.7
"""Of the days of launches."""


def open_study(path: Path | None, settings: Settings) -> Study:
    """The study of a file, Complete Journey's without one.

    Raises ConfigurationError with the file and the line, DependencyMissing, BrokerUnavailable.
    """
    if path is None:
        return journey(settings)
    file = toml_file.read(path, StudyForm, choices)
    opened = open_log_of(file, settings)
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


def _split(file: TomlFile[StudyForm], opened: Opened, success: Success) -> tuple[Launches, float]:
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


def _day(given: float | date | None, opened: Opened, usual: float) -> float:
    """A number of days since the log began."""
    if isinstance(given, date):
        return (datetime.combine(given, time(), UTC).timestamp() - opened.day_zero) / DAY
    return usual if given is None else given


def _ages(file: TomlFile[StudyForm], horizon_days: float) -> tuple[float, ...]:
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
